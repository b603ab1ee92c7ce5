# client.py HOST PORT PATH TIMES: asks at once, each over a connection of its own.
import asyncio, hashlib, sys

host, port, path, times = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])


async def one(some):
    async with some:
        r, w = await asyncio.open_connection(host, port)
        w.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        await w.drain()
        b = await r.read(-1)
        w.close()
        await w.wait_closed()
        return hashlib.sha256(b.split(b"\r\n\r\n", 1)[1]).hexdigest()


async def main():
    some = asyncio.Semaphore(20)
    sums = await asyncio.gather(*[one(some) for _ in range(times)])
    print(len(sums), *set(sums))


asyncio.run(main())
