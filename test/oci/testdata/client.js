// client.js HOST TIMES SIZE: posts at once, over connections that are kept, and one
// long answer.
const http = require('http'), crypto = require('crypto');
const [host, times, size] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const agent = new http.Agent({keepAlive: true, maxSockets: 20});

function post(i) {
	const body = crypto.randomBytes(10000 + 7 * i);
	const want = body.length + ' ' + crypto.createHash('sha256').update(body).digest('hex');
	return new Promise((done) => {
		const asked = http.request({host, port: 8080, path: '/', method: 'POST', agent}, (answer) => {
			let text = '';
			answer.on('data', (b) => text += b);
			answer.on('end', () => done(text === want));
		});
		asked.on('error', (e) => { console.log(e.message); done(false); });
		asked.end(body);
	});
}

function get() {
	return new Promise((done) => http.get({host, port: 8080, path: '/get/' + size}, (answer) => {
		let n = 0;
		answer.on('data', (b) => n += b.length);
		answer.on('end', () => done(n));
	}));
}

(async () => {
	const good = await Promise.all([...Array(times).keys()].map(post));
	console.log(good.filter((g) => g).length, 'good,', await get() === size ? 'all' : 'not all', 'of the long one');
	process.exit();
})();
