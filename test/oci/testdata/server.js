// A server that says how much it was sent and what its checksum is, or that sends
// as much as it is asked for.
const http = require('http'), crypto = require('crypto');

function send(to, left) {
	const piece = Buffer.alloc(65536, 'n');
	while (left > 0) {
		const n = Math.min(left, piece.length);
		left -= n;
		if (!to.write(piece.subarray(0, n))) {
			to.once('drain', () => send(to, left));
			return;
		}
	}
	to.end();
}

http.createServer((asked, answer) => {
	const sum = crypto.createHash('sha256');
	let n = 0;
	asked.on('data', (b) => { sum.update(b); n += b.length; });
	asked.on('end', () => {
		if (asked.url.startsWith('/get/'))
			send(answer, Number(asked.url.slice(5)));
		else
			answer.end(n + ' ' + sum.digest('hex'));
	});
}).listen(8080, '::');
