# memcached.py: items of all slab classes, with every command; memcslap beside it.

import hashlib
import re
import signal
import time

from machine import Wrong, connect, cut, kill_amid, load, run

KEYS = 600
SIZES = [int(4 * 1.0184 ** i) for i in range(KEYS)]  # 4 bytes to 230 KiB


def value(key, size):
    return (hashlib.sha256(key).digest() * (size // 32 + 1))[:size]


class Client:
    def __init__(self, port):
        self.connection = connect(port)
        self.replies = self.connection.makefile('rb')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.replies.close()
        self.connection.close()

    def send(self, text):
        self.connection.sendall(text)

    def line(self):
        text = self.replies.readline()
        if not text:
            raise ConnectionError('closed')
        return text.strip()

    def __call__(self, text):
        self.send(text + b'\r\n')
        return self.line()

    def store(self, pairs):
        self.send(b''.join(b'set %s 0 0 %d\r\n%s\r\n' % (key, len(data), data)
                           for key, data in pairs))
        return [self.line() for _ in pairs]

    def fetch(self, keys):
        self.send(b'get %s\r\n' % b' '.join(keys))
        found = {}
        while True:
            words = self.line().split()
            if words[:1] != [b'VALUE']:
                if words != [b'END']:
                    raise OSError(b' '.join(words).decode())
                return found
            found[words[1]] = self.replies.read(int(words[3]) + 2)[:-2]


class Memcached:
    name = 'memcached'
    needs = ['memcached', 'memcslap']
    stop_signal = signal.SIGTERM
    others = [('glibc', '')]
    injections = ['20', '60', '100', '120', '150', '200', '300', '1/10:2', '1/50:3', '1/200:4',
                  '1/300:6', '1/1000:5']
    survives = True
    user = None

    def __init__(self, out):
        self.out = out
        self.port = 0

    def prepare(self):
        pass

    def command(self):
        return ['memcached', '-u', 'root', '-l', '127.0.0.1', '-p', str(self.port), '-t', '2',
                '-m', '64', '-c', '600', '-o', 'slab_automove=2']

    def ready(self):
        with Client(self.port) as client:
            return client(b'version').startswith(b'VERSION')

    def slap(self, test, each):
        return ['memcslap', '--servers=127.0.0.1:%d' % self.port, '--concurrency=4',
                '--execute-number=%d' % each, '--test=' + test]

    def compare(self, found, right):
        for key, data in found.items():
            if data != right[key]:
                raise Wrong('an item is not what was set')

    # The memory is full: some are evicted as soon as they are set. None may be wrong.
    def items(self, client, k):
        pairs, stored, hits = [], 0, 0
        for i in range(KEYS):
            key = b'own%d' % i
            pairs.append((key, value(key, SIZES[(i * 7 + k) % KEYS])))
        for at in range(0, KEYS, 40):
            batch = pairs[at:at + 40]
            stored += client.store(batch).count(b'STORED')
            found = client.fetch([key for key, _ in batch])
            hits += len(found)
            self.compare(found, dict(batch))
        if stored < KEYS * 0.95 or hits < stored * 0.95:
            raise Wrong('%d items of %d were stored, %d found' % (stored, KEYS, hits))
        for at in range(0, KEYS, 40):
            batch = dict(pairs[at:at + 40])
            self.compare(client.fetch(list(batch)), batch)
        for key, _ in pairs[k % 3::3]:
            client(b'delete ' + key)
        return KEYS * 3

    def commands(self, client):
        client(b'set n 0 0 1\r\n5')
        if client(b'incr n 37') != b'42' or client(b'append n 0 0 1\r\n7') != b'STORED':
            raise Wrong('a number')
        if client.fetch([b'n']) != {b'n': b'427'}:
            raise Wrong('an appended item')
        client.store([(b'gone%d' % i, value(b'x', 600)) for i in range(200)])
        for text in [b'touch n 100', b'gat 100 none', b'add n 0 0 1\r\n1', b'cas n 0 0 1 99\r\n1',
                     b'set soon 0 1 3\r\nabc', b'mg n v', b'ms n 2\r\n11']:
            client(text)
        for what in [b'stats', b'stats slabs', b'stats items', b'stats settings', b'stats conns']:
            client.send(what + b'\r\n')
            while client.line() != b'END':
                pass
        return 220

    def started(self):
        """All that it may have: from then on it evicts."""
        with Client(self.port) as client:
            for turn in range(8):
                for at in range(0, KEYS, 40):
                    client.store([(b'%d.%d' % (turn, i), value(b'', SIZES[i]))
                                  for i in range(at, at + 40)])

    def round(self, k):
        with Client(self.port) as client:
            count = self.items(client, k) + self.commands(client)
        many = [Client(self.port) for _ in range(100)]  # all at once, with a request under way
        for client in many:
            client.send(b'get own1 own2 own3 own4 own5\r\n')
        for client in many:
            client.__exit__()
        run(self.slap('set', 700))
        run(self.slap('get', 700))
        return count + 100 + 4 * 1400

    def faults(self, k):
        kill_amid(self.slap('set', 1000000), 0.3)
        half = b'set half 0 0 900000\r\n' + b'x' * 100000
        count = 1 + cut(self.port, [half, half[:15], b'get ' + b'own1 own9 ' * 2000,
                                    b'get own599 own1 own600\r\n' * 300, b'\x80\x01' + b'\0' * 22,
                                    b'\x80' * 5000, b'stats\r\n' * 500, b'mn\r\n' * 50] * 4)
        background = load(self.slap('get', 1000000))
        with Client(self.port) as client:
            client(b'slabs reassign -1 2')
            client(b'lru_crawler crawl all')
            time.sleep(0.2)
            client(b'slabs automove 2')
        background.kill()
        background.wait()
        return count + 3

    def trickle(self):
        with Client(self.port) as client:
            client(b'set trickle 0 0 1\r\n1')
            client.fetch([b'trickle'])

    def flush(self):
        """All items go, and then pages that were theirs, one by one, to class 0: they are freed."""
        with Client(self.port) as client:
            _, before = self.pages(client)
            client(b'flush_all')
            client(b'lru_crawler crawl all')
            client(b'cache_memlimit 8')
            until = time.time() + 40
            spare = True
            while spare and time.time() < until:
                spare, now = self.pages(client)
                for slab_class in spare:
                    client(b'slabs reassign %s 0' % slab_class)
                    time.sleep(0.25)
            self.freed = before - now
            if self.freed < 8 << 20:
                raise Wrong('memcached freed %d bytes only' % self.freed)

    def pages(self, client):
        """The classes with more pages than they must have, and the bytes of all."""
        spare, size = [], 0
        client.send(b'stats slabs\r\n')
        for line in iter(client.line, b'END'):
            words = re.match(rb'STAT (?:(\d+):total_pages|total_malloced) (\d+)', line)
            if words and not words[1]:
                size = int(words[2])
            elif words and int(words[2]) > 1:
                spare.append(words[1])
        return spare, size

    def limit(self, start, after, full):
        """Half of what it has freed goes back at least: it frees the last of it too late."""
        return full.anon - self.freed // 2

    def poke(self):
        with Client(self.port) as client:
            for _ in range(3):
                self.commands(client)
                self.items(client, 0)
        return 1

    def rate(self):
        spent = 0
        for test in 'set', 'get':
            text = run(self.slap(test, 8000))
            spent += float(re.search(r'keys by +\d+ threads: +([\d.]+)', text).group(1))
        return 2 * 4 * 8000 / spent

    def end_is_clean(self, status):
        return status == 0

    def own_end(self, log):
        return re.search('(?i)memory|alloc|failed|can.t', log) is not None
