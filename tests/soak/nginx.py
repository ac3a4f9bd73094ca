# nginx.py: files of several sizes, plain, compressed, through a proxy and TLS; connections kept and
# not; wrk beside it.

import hashlib
import http.client
import os
import re
import signal
import ssl
import time
import zlib

from machine import HOST, Wrong, cut, descendants, free_port, kill, load, run

FILES = {'a': 300, 'b': 9000, 'c': 70000, 'd': 600000, 'e': 5000000}

CONFIG = '''
daemon off;
worker_processes 2;
%(user)s
pid %(out)s/nginx.pid;
error_log %(log)s notice;
events { worker_connections 512; }
http {
    access_log off;
    default_type text/plain;
    client_body_temp_path %(out)s/body;
    proxy_temp_path %(out)s/proxy;
    fastcgi_temp_path %(out)s/fastcgi;
    uwsgi_temp_path %(out)s/uwsgi;
    scgi_temp_path %(out)s/scgi;
    server {
        listen 127.0.0.1:%(port)d;
        listen 127.0.0.1:%(secure)d ssl;
        %(tls)s
        root %(out)s/www;
        output_buffers 4 64k;
        client_max_body_size 20m;
        location /plain/ { alias %(out)s/www/; }
        location /send/ { alias %(out)s/www/; sendfile on; }
        location /zip/ { alias %(out)s/www/; gzip on; gzip_types *; gzip_comp_level 2; }
        location /proxy/ { proxy_pass http://127.0.0.1:%(port)d/plain/; proxy_buffers 8 16k; }
        location /list/ { alias %(out)s/www/; autoindex on; ssi on; }
    }
}
'''

# Every request another file, another way; all connections take turns through the same list.
MIX = '''
local paths, at = {%s}, 0
request = function()
    at = at %% #paths + 1
    return wrk.format("GET", paths[at], {["Accept-Encoding"] = "gzip"%s})
end
'''


class Nginx:
    name = 'nginx'
    needs = ['nginx', 'wrk', 'openssl']
    stop_signal = signal.SIGQUIT
    others = [('glibc', '')]
    injections = ['500', '1500', '2500', '1/10:1', '1/100:2', '1/1000:3', '1/5000:4', '1/20000:5']
    survives = True
    user = None

    def __init__(self, out):
        self.out = out
        self.port = 0
        self.process = None
        self.files = {}

    def prepare(self):
        www = self.out + '/www'
        os.makedirs(www, exist_ok=True)
        for name, size in FILES.items():
            lines = ['%s %d %s\n' % (name, i, hashlib.md5(b'%d' % i).hexdigest())
                     for i in range(size // 40 + 1)]
            data = ''.join(lines).encode()[:size]
            self.files[name] = data
            with open('%s/%s' % (www, name), 'wb') as file:
                file.write(data)
        run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost',
             '-days', '2', '-keyout', self.out + '/key.pem', '-out', self.out + '/cert.pem'])
        for name, more in (('kept', ''), ('closed', ', ["Connection"] = "close"')):
            ways = ['/%s/%s' % (way, file) for way in ('plain', 'send', 'zip', 'proxy')
                    for file in 'abcab'] + ['/plain/d', '/list/', '/none']
            with open('%s/%s.lua' % (self.out, name), 'w') as file:
                file.write(MIX % (', '.join('"%s"' % way for way in ways), more))

    def command(self):
        self.secure = free_port()
        while self.secure == self.port:
            self.secure = free_port()
        root = os.getuid() == 0
        with open(self.out + '/nginx.conf', 'w') as file:
            file.write(CONFIG % {
                'user': 'user root root;' if root else '', 'out': self.out, 'port': self.port,
                'log': self.log, 'secure': self.secure,
                'tls': 'ssl_certificate %s/cert.pem; ssl_certificate_key %s/key.pem;'
                       % (self.out, self.out)})
        return ['nginx', '-e', self.log, '-p', self.out, '-c', self.out + '/nginx.conf']

    def ready(self):
        self.fetch(http.client.HTTPConnection(HOST, self.port, timeout=5), 'plain', 'a')
        return True

    def fetch(self, connection, way, name):
        connection.request('GET', '/%s/%s' % (way, name), headers={'Accept-Encoding': 'gzip'})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise OSError('status %d' % answer.status)
        if answer.getheader('Content-Encoding') == 'gzip':
            data = zlib.decompress(data, 31)
        if hashlib.sha256(data).digest() != hashlib.sha256(self.files[name]).digest():
            raise Wrong('/%s/%s is not the file' % (way, name))

    def fetch_all(self, port, names, tls=None):
        if tls:
            connection = http.client.HTTPSConnection(HOST, port, timeout=30, context=tls)
        else:
            connection = http.client.HTTPConnection(HOST, port, timeout=30)
        for way in 'plain', 'send', 'zip', 'proxy':
            for name in names:
                self.fetch(connection, way, name)
        connection.close()
        return 4 * len(names)

    def tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def wrk(self, script, secure=False, seconds=1):
        where = 'http://127.0.0.1:%d/' % self.port
        if secure:
            where = 'https://127.0.0.1:%d/' % self.secure
        return ['wrk', '-t', '1', '-c', '6', '-d', '%ds' % seconds, '-s',
                '%s/%s.lua' % (self.out, script), where]

    def round(self, k):
        text = run(self.wrk('kept')) + run(self.wrk('closed')) + run(self.wrk('kept', True))
        count = sum(map(int, re.findall(r'(\d+) requests in', text)))
        self.check_uploads()
        return (count + self.fetch_all(self.port, 'abcde') + self.fetch_all(self.secure, 'abcd',
                                                                            self.tls()))

    def check_uploads(self):
        """A body that nobody wants is read, kept in buffers or a file, and refused."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        for size in 100, 200000:
            connection.request('POST', '/proxy/a', body=b'x' * size)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 405:
                raise Wrong('a body was answered by %d' % answer.status)
        connection.close()

    def workers(self):
        return descendants(self.process.pid)[1:]

    def faults(self, k):
        background = [load(self.wrk('kept', False, 30)), load(self.wrk('closed', True, 30))]
        time.sleep(0.2)
        kill(self.process.pid, signal.SIGHUP)
        post = b'POST /proxy/a HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n'
        post += b'x' * 100000
        get = b'GET /plain/e HTTP/1.1\r\nHost: x\r\n\r\n'
        count = 1 + cut(self.port, [post, post[:20], get, get.replace(b'plain', b'zip'), get * 20,
                                    get.replace(b'plain', b'proxy'), b'GET /' + b'x' * 20000,
                                    b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc'] * 3)
        count += cut(self.secure, [get, b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc', b''] * 4)
        kill(self.workers()[-1])
        time.sleep(0.3)
        for tool in background:
            tool.kill()
            tool.wait()
        self.wait_for_workers()
        return count + 3

    def wait_for_workers(self):
        """Workers of before a reload end with their last connection."""
        until = time.time() + 20
        while len(self.workers()) != 2 and time.time() < until:
            time.sleep(0.05)
        if len(self.workers()) != 2:
            raise Wrong('%d workers, not 2' % len(self.workers()))

    def trickle(self):
        self.fetch_all(self.port, 'ab')

    def flush(self):
        kill(self.process.pid, signal.SIGHUP)
        time.sleep(0.5)
        self.wait_for_workers()

    def limit(self, start, after, full):
        """Fresh workers: as at the beginning."""
        return start.anon + start.anon // 10 + 2 * (1 << 20)

    def poke(self):
        good = 0
        for _ in range(6):
            for way in 'plain', 'send', 'zip', 'proxy':
                try:
                    self.fetch_all(self.port, 'abc')
                    self.fetch(http.client.HTTPSConnection(HOST, self.secure, timeout=5,
                                                           context=self.tls()), way, 'b')
                    good += 1
                except (OSError, http.client.HTTPException):
                    pass
        kill(self.process.pid, signal.SIGHUP)
        time.sleep(0.3)
        return good

    def rate(self):
        where = 'http://127.0.0.1:%d/plain/b' % self.port
        text = run(['wrk', '-t', '1', '-c', '8', '-d', '3s', where])
        return float(re.search(r'Requests/sec: +([\d.]+)', text).group(1))

    def end_is_clean(self, status):
        return status == 0

    def own_end(self, log):
        return re.search(r'\[(emerg|alert|crit)\]', log) is not None
