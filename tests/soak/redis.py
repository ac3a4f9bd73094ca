# redis.py: strings of mixed sizes, lists, sets, hashes, scripts, expiry; redis-benchmark beside it.

import hashlib
import os
import signal
import time

from machine import Wrong, connect, cut, kill_amid, load, run

KEYS = 750
SIZES = [int(8 * 1.0124 ** i) for i in range(KEYS)]  # 8 bytes to 80 KiB


def value(key, size):
    return (hashlib.sha256(key).digest() * (size // 32 + 1))[:size]


def encode(words):
    parts = [b'*%d\r\n' % len(words)]
    for word in words:
        if not isinstance(word, bytes):
            word = str(word).encode()
        parts.append(b'$%d\r\n%s\r\n' % (len(word), word))
    return b''.join(parts)


class Client:
    def __init__(self, port):
        self.connection = connect(port)
        self.replies = self.connection.makefile('rb')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.replies.close()
        self.connection.close()

    def reply(self):
        line = self.replies.readline()
        if not line:
            raise ConnectionError('closed')
        kind, rest = line[:1], line[1:-2]
        if kind == b'$':
            return None if rest == b'-1' else self.replies.read(int(rest) + 2)[:-2]
        if kind == b'*':
            return None if rest == b'-1' else [self.reply() for _ in range(int(rest))]
        if kind == b':':
            return int(rest)
        if kind == b'-':
            raise OSError(rest.decode())
        return rest

    def all(self, commands):
        """The replies to many commands that are sent at once."""
        self.connection.sendall(b''.join(map(encode, commands)))
        return [self.reply() for _ in commands]

    def __call__(self, *words):
        return self.all([words])[0]


class Redis:
    name = 'redis'
    needs = ['redis-server', 'redis-benchmark']
    stop_signal = signal.SIGTERM
    others = [('jemalloc, its own', ''), ('glibc', 'libc.so.6')]
    injections = ['300', '3000', '9000', '1/20:1', '1/1000:2', '1/10000:3', '1/50000:4',
                  '1/150000:5']
    rating = False
    survives = False  # it is made to end when there is no memory
    user = None

    def __init__(self, out):
        self.out = out
        self.port = 0

    def prepare(self):
        pass

    def command(self):
        if os.path.exists(self.out + '/soak.rdb'):
            os.remove(self.out + '/soak.rdb')
        threads = '1' if self.rating else '2'  # they wait by spinning: that is not to be timed
        return ['redis-server', '--port', str(self.port), '--bind', '127.0.0.1', '--save', '',
                '--dir', self.out, '--dbfilename', 'soak.rdb', '--io-threads', threads,
                '--io-threads-do-reads', 'yes', '--enable-debug-command', 'yes',
                '--crash-log-enabled', 'no', '--lazyfree-lazy-user-del', 'yes']

    def ready(self):
        with Client(self.port) as client:
            return client('PING') == b'PONG'

    def bench(self, requests, *more):
        return ['redis-benchmark', '-p', str(self.port), '-n', str(requests), '-r', '3000',
                '-P', '8', '-c', '20', '--csv', *more]

    def strings(self, client, k):
        """The same sizes in every round, each time at other keys. What was set must be there."""
        keys = [(b'own:%d' % i, SIZES[(i * 7 + k) % KEYS]) for i in range(KEYS)]
        for at in range(0, KEYS, 50):
            batch = keys[at:at + 50]
            client.all([('SET', key, value(key, size)) for key, size in batch])
            client.all([('APPEND', key, value(key, 100)) for key, size in batch[::5]])
        for at in range(0, KEYS, 50):
            batch = keys[at:at + 50]
            for i, (key, size) in enumerate(batch):
                batch[i] = value(key, size) + (value(key, 100) if i % 5 == 0 else b'')
            if client.all([('GET', key) for key, _ in keys[at:at + 50]]) != batch:
                raise Wrong('a string is not what was set')
        client.all([('DEL', key) for key, _ in keys[k % 3::3]])
        client.all([('SET', b'short:%d' % i, value(b'x', 500), 'PX', 200) for i in range(300)])
        return KEYS * 3 + 300

    def structures(self, client, k):
        members = [b'%d:%s' % (i, value(b'm', i % 90)) for i in range(1000)]
        client('RPUSH', 'list', *members)
        client('SADD', 'set', *members)
        client('HSET', 'hash', *[word for m in members for word in (m[:8], m)])
        client('ZADD', 'sorted', *[word for i, m in enumerate(members) for word in (i, m)])
        client.all([('XADD', 'stream', 'MAXLEN', '~', 300, '*', 'k', m) for m in members])
        if client('LRANGE', 'list', 0, -1) != members:
            raise Wrong('a list is not what was pushed')
        if client('ZRANGE', 'sorted', 0, -1) != members:
            raise Wrong('a sorted set is not what was added')
        if sorted(client('SMEMBERS', 'set')) != sorted(members):
            raise Wrong('a set is not what was added')
        text = 'local t = {} for i = 1, 3000 do t[i] = ARGV[1] .. i end return #table.concat(t)'
        if client('EVAL', text, 0, 'abc') != 3 * 3000 + 10893:
            raise Wrong('a script counts wrongly')
        client.all([('MULTI',), ('INCR', 'count'), ('SORT', 'list', 'ALPHA', 'STORE', 'sorted2'),
                    ('EXEC',)])
        client('UNLINK', 'list', 'set', 'hash', 'sorted', 'sorted2')
        return 1010

    def round(self, k):
        with Client(self.port) as client:
            count = self.strings(client, k) + self.structures(client, k)
            tests = 'set,get,incr,lpush,rpush,lpop,sadd,hset,spop,zadd,mset'
            count += run(self.bench(1000, '-t', tests, '-d', '300')).count('\n') * 1000
            client('DEL', 'mylist', 'myset', 'myhash', 'myzset')
            client('MEMORY', 'DOCTOR')
            client('MEMORY', 'PURGE')
        return count

    def faults(self, k):
        """Clients that vanish at bad moments; the data written, and loaded, anew."""
        kill_amid(self.bench(100000000, '-t', 'set,lrange_600', '-d', '5000'), 0.3)
        half = b'*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$8000000\r\n' + b'x' * 100000
        with Client(self.port) as client:
            client('SET', 'big', value(b'big', 1000000))
            count = 1 + cut(self.port, [
                half, half[:25], b'*1000000\r\n' + half, encode(['GET', 'big']) * 40,
                b'GET big\r\n' * 9, encode(['SUBSCRIBE', 'channel']),
                encode(['BLPOP', 'none', '0']), encode(['MULTI']) + encode(['SET', 'big', 'x' * 99999]), b'\0' * 70000] * 3)
            background = load(self.bench(100000000, '-t', 'set,get', '-d', '1000'))
            time.sleep(0.2)
            client('BGSAVE')
            client('CLIENT', 'KILL', 'TYPE', 'normal')
            while b'rdb_bgsave_in_progress:1' in client('INFO', 'persistence'):
                time.sleep(0.05)
            background.kill()
            background.wait()
            client('DEBUG', 'RELOAD')
            if client('GET', 'big') != value(b'big', 1000000):
                raise Wrong('a string was lost with a client')
            # How far the killed ones came is chance; the next round must not depend on it.
            client('DEL', 'big', 'mylist', *['key:%012d' % i for i in range(3000)])
        return count + 3

    def trickle(self):
        with Client(self.port) as client:
            client.all([('SET', 'trickle', 'x' * 40000), ('GET', 'trickle'), ('DEL', 'trickle')])
            client.all([('SET', 'some%d' % i, 'x' * i) for i in range(200)])
            client('DEL', *['some%d' % i for i in range(200)])

    def fill(self):
        """40 MB, in blocks of small sizes."""
        with Client(self.port) as client:
            for at in range(0, 40000, 500):
                client.all([('SET', 'fill%d' % i, value(b'fill', 600 + i % 800))
                            for i in range(at, at + 500)])

    def flush(self):
        with Client(self.port) as client:
            client('FLUSHALL')

    def limit(self, start, after, full):
        """What was added last goes back to the system, all but a quarter."""
        return after.anon + (full.anon - after.anon) // 4

    def poke(self):
        with Client(self.port) as client:
            for _ in range(3):
                self.structures(client, 0)
                self.strings(client, 0)
        run(self.bench(20000, '-t', 'set,lpush,hset', '-d', '300'), 30)
        return 1

    def rate(self):
        text = run(self.bench(100000, '-t', 'set,get', '-d', '256'))
        rates = [float(line.split('"')[3]) for line in text.splitlines()[1:]]
        return sum(rates) / len(rates)

    def end_is_clean(self, status):
        return status == 0

    def own_end(self, log):
        """Did the server itself say that it ends for want of memory?"""
        return 'OUT OF MEMORY' in log or 'Out of memory' in log
