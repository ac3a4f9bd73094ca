# postgres.py: pgbench's transactions and selects, connections that come and go, and one session
# that stays, with large sorts, joins, arrays and errors.

import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import time

from machine import HOST, Wrong, cut, kill, kill_amid, load, memory, run

# What the session does in each round. Its answer is the same each time.
WORK = '''
select md5(string_agg(md5(i::text), '' order by md5(i::text))) from generate_series(1, 20000) i;
select count(*), sum(a.abalance - a.abalance)
    from pgbench_accounts a join pgbench_accounts b using (bid) where a.aid < 300 and b.aid < 300;
select count(distinct repeat(i::text, i % 300)) from generate_series(1, 8000) i;
select length(array_to_string(array_agg(i || 'x'), ',')) from generate_series(1, 30000) i;
select length(string_agg(repeat('y', i), '')) from generate_series(1, 2000) i;
do $$ begin
    for i in 1..300 loop
        begin execute 'select 1/' || (i % 2)::text;
        exception when division_by_zero then null; end;
    end loop;
end $$;
create temp table t as select i, repeat('z', i % 700) s from generate_series(1, 5000) i;
create index on t (s, i);
select count(*), max(length(s)) from t where s > 'zzzz';
select jsonb_array_length(jsonb_agg(t)) from t;
prepare p as select count(*) from t where i % 3 = 0 and s ~ 'z{5}';
execute p;
deallocate p;
drop table t;
select nothing from nowhere;
'''

SUMS = '''
select (select sum(abalance) from pgbench_accounts) = (select sum(tbalance) from pgbench_tellers)
    and (select sum(bbalance) from pgbench_branches) = (select sum(tbalance) from pgbench_tellers)
    and (select sum(bbalance) from pgbench_branches)
        = (select coalesce(sum(delta), 0) from pgbench_history)
'''


def programs():
    """The newest of Debian's versions, else what PATH has."""
    found = sorted(glob.glob('/usr/lib/postgresql/*/bin/postgres'),
                   key=lambda path: int(re.search(r'/(\d+)/', path).group(1)))
    path = found[-1] if found else shutil.which('postgres')
    return os.path.dirname(path) if path else '/none'


class Session:
    """A psql that stays connected."""

    def __init__(self, port):
        self.psql = subprocess.Popen(
            ['psql', '-X', '-q', '-A', '-t', '-h', HOST, '-p', str(port), '-U', 'postgres'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            start_new_session=True)
        self.count = 0
        self.backend = int(self.ask('select pg_backend_pid();'))

    def ask(self, text):
        self.count += 1
        mark = 'end-%d' % self.count
        try:
            self.psql.stdin.write('%s\n\\echo %s\n' % (text, mark))
            self.psql.stdin.flush()
        except BrokenPipeError:
            raise ConnectionError('psql has ended')
        lines = []
        for line in self.psql.stdout:
            if line.strip() == mark:
                return '\n'.join(lines)
            lines.append(line.strip())
        raise ConnectionError('psql has ended')

    def close(self):
        self.psql.stdin.close()
        self.psql.wait(20)
        self.psql.stdout.close()


class Postgres:
    name = 'postgres'
    needs = [programs() + '/postgres', programs() + '/initdb', 'pgbench', 'psql']
    stop_signal = signal.SIGINT
    others = [('glibc', '')]
    survives = True
    injections = ['2000', '6000', '1/5:1', '1/50:2', '1/300:3', '1/2000:4', '1/10000:5']

    def __init__(self, out):
        self.out = out
        self.port = 0
        self.data = out + '/data'
        self.work = out + '/work.sql'
        self.session = None
        self.answer = None
        self.process = None
        self.user = None

    # postgres refuses to be root.
    def prepare(self):
        if os.getuid() == 0:
            names = [entry.pw_name for entry in pwd.getpwall()]
            self.user = 'postgres' if 'postgres' in names else 'nobody'
        os.makedirs(self.data, mode=0o700)
        if self.user:
            entry = pwd.getpwnam(self.user)
            os.chown(self.data, entry.pw_uid, entry.pw_gid)
        owner = {'user': self.user, 'group': entry.pw_gid, 'extra_groups': []} if self.user else {}
        run([programs() + '/initdb', '-D', self.data, '-A', 'trust', '-U', 'postgres', '--no-sync',
             '--no-locale', '-E', 'UTF8'], cwd='/', **owner)
        with open(self.work, 'w') as file:
            file.write(WORK)
        with open(self.data + '/postgresql.conf', 'a') as file:
            file.write("unix_socket_directories = ''\nlisten_addresses = '127.0.0.1'\nfsync = off\n"
                       'shared_buffers = 16MB\nmax_connections = 60\nwork_mem = 2MB\n'
                       'dynamic_shared_memory_type = mmap\nautovacuum_naptime = 5s\n'
                       'log_min_messages = warning\nmax_wal_size = 64MB\nmin_wal_size = 32MB\n')

    def command(self):
        return [programs() + '/postgres', '-D', self.data, '-p', str(self.port)]

    def tool(self, *words):
        return [*words, '-h', HOST, '-p', str(self.port), '-U', 'postgres']

    def ask(self, text):
        return run(self.tool('psql', '-X', '-q', '-A', '-t') + ['-c', text]).strip()

    def ready(self):
        return self.ask('select 1') == '1'

    def started(self):
        if self.ask("select count(*) from pg_class where relname = 'pgbench_branches'") == '0':
            run(self.tool('pgbench', '-i', '-q', '-s', '3') + ['postgres'])
        self.session = Session(self.port)

    def bench(self, *words):
        return self.tool('pgbench', '-n', *words) + ['postgres']

    def round(self, k):
        text = run(self.bench('-c', '4', '-t', '25'))
        text += run(self.bench('-S', '-c', '4', '-t', '150', '-M', 'prepared'))
        text += run(self.bench('-S', '-C', '-c', '3', '-t', '8'))
        answer = self.session.ask(WORK)
        self.answer = self.answer or answer
        if answer != self.answer or answer.count('\n') < 7:
            raise Wrong('a session answers otherwise than before: ' + answer)
        self.check_sums()
        return sum(map(int, re.findall(r'actually processed: (\d+)', text))) + 20

    def check_sums(self):
        if self.session.ask(SUMS + ';') != 't':
            raise Wrong('the balances do not agree')

    def faults(self, k):
        kill_amid(self.bench('-c', '4', '-T', '60'), 0.3)
        background = [load(self.bench('-c', '4', '-T', '60')),
                      load(self.bench('-C', '-c', '2', '-T', '60'))]
        time.sleep(0.3)
        start = b'\0\0\0\x29\0\3\0\0user\0postgres\0database\0postgres\0\0'
        query = b'Q\0\0\0\x45select repeat(md5(i::text), 9) from generate_series(1, 900000) i;\0'
        count = 1 + cut(self.port, [
            start, start[:12], start + query, b'\0\0\0\x08\x04\xd2\x16\x2f', b'',
            start + b'Q\x3f\xff\xff\xff' + b'x' * 60000, b'GET / HTTP/1.0\r\n'] * 2, 0.1)
        kill(self.process.pid, signal.SIGHUP)
        ended = self.session.ask('select count(pg_terminate_backend(pid)) from pg_stat_activity '
                                 "where application_name = 'pgbench' and pid <> pg_backend_pid();")
        for tool in background:
            tool.kill()
            tool.wait()
        self.check_sums()
        return count + int(ended) + 1

    def last_faults(self):
        """A backend that is killed makes postgres start anew: all others end, and it recovers."""
        background = load(self.bench('-c', '4', '-T', '60'))
        time.sleep(0.3)
        kill(int(self.ask('select min(pid) from pg_stat_activity '
                          "where application_name = 'pgbench'")))
        background.wait()
        self.session.psql.kill()
        self.session.close()
        for attempt in range(100):
            try:
                self.session = Session(self.port)
                break
            except (ConnectionError, ValueError):
                time.sleep(0.2)
        self.check_sums()
        return 1

    def resident(self):
        return memory([self.session.backend]).anon

    def trickle(self):
        self.ask('select count(*) from pg_class')

    def leave(self):
        self.session.close()

    def flush(self):
        self.leave()
        time.sleep(1)

    def limit(self, start, after, full):
        return start.anon + start.anon // 10 + 2 * (1 << 20)

    def poke(self):
        good = 0
        for command in (self.bench('-c', '2', '-t', '30'),
                        self.bench('-S', '-C', '-c', '2', '-t', '10'),
                        self.tool('psql', '-X', '-q') + ['-c', WORK.strip().split(';')[0]],
                        self.tool('psql', '-X', '-q') + ['-f', self.work]):
            try:
                run(command, 30)
                good += 1
            except (OSError, subprocess.TimeoutExpired):
                pass
        return good

    def rate(self):
        text = run(self.bench('-S', '-c', '4', '-T', '3', '-M', 'prepared'))
        return float(re.search(r'tps = ([\d.]+)', text).group(1))

    def end_is_clean(self, status):
        return status == 0

    def own_end(self, log):
        return re.search('(?i)out of memory|could not|FATAL|PANIC', log) is not None
