# soak.py soak SERVER | rate SERVER | self: what run.sh runs, one process for each server.
# Everything goes to OUT. The lines that it prints are run.sh's; the last is "N passed, N failed".
#
#   soak   the server on memmgr: rounds of the same work, then rounds with faults, for SECONDS in
#          all; then idle, and flushed. Then on memmgr with allocations that fail. Then on other
#          allocators, for a fifth of the time, to compare memory.
#   rate   requests a second on memmgr and on the C library, in turns.
#   self   are the measures of this file right? A leak must be seen, and a misuse.
#
# In the environment: OUT, LIBRARY (libmemmgr.so), WHERE (where.so), SECONDS.

import importlib
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import traceback

from machine import MIB, Process, descendants, free_port, own_orphans, stop_all

SERVERS = {'redis': 'Redis', 'nginx': 'Nginx', 'memcached': 'Memcached', 'postgres': 'Postgres'}
LEAST_ROUNDS = 9
IDLE = 1.2  # memmgr gives memory back that has been idle for a second

passed = failed = 0


def check(holds, what):
    global passed, failed
    if holds:
        passed += 1
    else:
        failed += 1
        print('    FAILED: ' + what, flush=True)
    return holds


def note(text):
    print('    ' + text, flush=True)


def mib(size):
    return '%.1f' % (size / MIB)


# --- judging -----------------------------------------------------------------------------------


def growth(sizes):
    """The medians of the first and the last third."""
    third = max(1, len(sizes) // 3)
    return statistics.median(sizes[:third]), statistics.median(sizes[-third:])


def flat(sizes):
    first, last = growth(sizes)
    return last <= first * 1.03 + 2 * MIB


def percent(sizes):
    first, last = growth(sizes)
    return 100.0 * (last - first) / max(1, first)


def reports(log):
    """Misuses that memmgr told of, or counted."""
    told = re.findall('^memmgr: MEMMGR_.*$', log, re.M)
    counted = sum(int(n) for n in re.findall(r'^memmgr: .*, misuses (\d+)$', log, re.M))
    return max(len(told), counted), told


def faults_in(log):
    """What where.c wrote: (signal, address, places)."""
    found = re.findall(r'^soak: signal (\d+) address (\S+) in(.*)$', log, re.M)
    return [(int(number), 0 if address == '(nil)' else int(address, 16), places.split())
            for number, address, places in found]


def memmgr_is_in(places):
    """At fault itself, or through a function of the C library that it calls."""
    for place in places[:5]:
        if place.startswith('libmemmgr'):
            return True
        if not place.startswith(('libc.', 'libc-', '[', 'linux-')):
            return False
    return False


# --- one instance of a server ------------------------------------------------------------------


class Instance:
    def __init__(self, server, tag, preload, options=''):
        self.server = server
        self.log_name = '%s/%s.log' % (server.out, tag)
        self.environment = {}
        if preload:
            self.environment['LD_PRELOAD'] = preload
        if options:
            self.environment['MEMMGR_OPTIONS'] = options
        self.peak = 0
        self.process = None

    def start(self, seconds=60):
        """True as soon as it answers. False if it ends before that, or never answers."""
        server = self.server
        server.log = self.log_name
        server.port = free_port()
        open(self.log_name, 'ab').close()
        if server.user:
            os.chmod(self.log_name, 0o666)
        self.process = server.process = Process(server.command(), self.log_name, self.environment,
                                                server.user, '/')
        until = time.time() + seconds
        while time.time() < until and self.process.alive():
            try:
                if server.ready():
                    return True
            except Exception:
                time.sleep(0.1)
        return False

    def log(self):
        with open(self.log_name, errors='replace') as file:
            return file.read()

    def watch(self):
        """Follows the memory from a thread of its own."""
        self.watching = True

        def follow():
            while self.watching:
                self.peak = max(self.peak, self.process.memory().pss)
                time.sleep(0.5)

        self.watcher = threading.Thread(target=follow, daemon=True)
        self.watcher.start()

    def unwatch(self):
        self.watching = False
        self.watcher.join()

    def idle(self, seconds):
        """The least memory that it has meanwhile: what comes and goes by itself does not count. A
        trickle of requests stays: memmgr gives nothing back in a process that never calls it."""
        sizes = []
        until = time.time() + seconds
        while not sizes or time.time() < until:
            time.sleep(0.3)
            self.server.trickle()
            sizes.append(self.process.memory())
        return min(sizes, key=lambda size: size.anon)


class Rounds:
    """Rounds of one kind: the memory after each, the requests, and what went wrong."""

    def __init__(self, instance):
        self.instance = instance
        self.sizes, self.resident, self.wrong = [], [], []
        self.requests = self.done = 0

    def run(self, work, until, least):
        server = self.instance.server
        count = 0
        while (time.time() < until or count < least) and len(self.wrong) < 5:
            begin = time.time()
            try:
                self.requests += work(self.done)
            except Exception as error:
                self.wrong.append('round %d: %r' % (self.done, error))
                traceback.print_exc()
            self.done += 1
            count += 1
            time.sleep((time.time() - begin) / 2)  # leaves the machine to others
            self.sizes.append(self.instance.idle(IDLE).anon)
            if hasattr(server, 'resident'):
                self.resident.append(server.resident())

    def mark(self):
        self.sizes, self.resident = [], []


# --- the phases --------------------------------------------------------------------------------


def started(instance, what):
    if not check(instance.start(), '%s does not start: %s' % (what, instance.log()[-600:])):
        return False
    if hasattr(instance.server, 'started'):
        instance.server.started()
    return True


def steady(instance, seconds, what):
    """Rounds of the same work. The first tenth warms up."""
    rounds = Rounds(instance)
    begin = time.time()
    rounds.run(instance.server.round, begin + seconds / 10, 3)
    rounds.mark()
    rounds.run(instance.server.round, begin + seconds, LEAST_ROUNDS)
    check(not rounds.wrong, '%s: %s' % (what, '; '.join(rounds.wrong)))
    rounds.peak = instance.peak
    rounds.after = instance.idle(5)
    return rounds


def with_faults(instance, seconds):
    server = instance.server
    hit = 0

    def work(k):
        nonlocal hit
        hit += server.faults(k)
        return server.round(k)

    rounds = Rounds(instance)
    begin = time.time()
    rounds.run(work, begin + seconds / 10, 3)
    rounds.mark()
    rounds.run(work, begin + seconds, LEAST_ROUNDS)
    check(not rounds.wrong, 'with faults: ' + '; '.join(rounds.wrong))
    return rounds, hit


def check_flat(sizes, what):
    first, last = growth(sizes)
    check(flat(sizes), '%s: memory grows from %s to %s MiB in %d rounds'
          % (what, mib(first), mib(last), len(sizes)))


def finish(instance, start, what, judged):
    """Idle, flushed, ended. The memory when it was flushed."""
    server = instance.server
    after = full = instance.idle(5)
    if hasattr(server, 'fill'):
        server.fill()
        full = instance.idle(0)
    server.flush()
    flushed = instance.idle(6)
    limit = server.limit(start, after, full)
    if judged:
        check(flushed.anon <= limit, '%s: %s MiB after the flush, at most %s expected, %s before'
              % (what, mib(flushed.anon), mib(limit), mib(full.anon)))
        note('%s: heaps at start %s, after the load %s, before the flush %s, after it %s MiB'
             % (server.name, *(mib(size.anon) for size in (start, after, full, flushed))))
    instance.unwatch()
    status = instance.process.stop(server.stop_signal)
    check(status is not None and server.end_is_clean(status), '%s: exit status %s' % (what, status))
    instance.process.end()
    return flushed


def memmgr_library():
    return os.environ['WHERE'] + ':' + os.environ['LIBRARY']


def uses_memmgr(instance):
    with open('/proc/%d/maps' % instance.process.pid) as file:
        return os.path.basename(os.environ['LIBRARY']) in file.read()


def own_numbers(instance):
    """What memmgr said of the main process at its end."""
    text = instance.log()
    own = re.findall(r'^memmgr: %d: (.*)$' % instance.process.pid, text, re.M)
    if check(own, 'memmgr said nothing at the end'):
        note('%s: at the end memmgr says: %s' % (instance.server.name, own[-1]))


def table(*cells):
    with open(os.environ['OUT'] + '/table', 'a') as file:
        file.write('\t'.join(map(str, cells)) + '\n')


def on_memmgr(server, seconds):
    instance = Instance(server, 'memmgr', memmgr_library(), 'stats')
    if not started(instance, 'on memmgr'):
        return None
    instance.watch()
    start = instance.idle(1)
    check(uses_memmgr(instance), 'the library is not in the process')
    begin = time.time()
    calm = steady(instance, seconds * 0.6, 'on memmgr')
    check_flat(calm.sizes, 'steady')
    troubled, hit = with_faults(instance, seconds * 0.4)
    check_flat(troubled.sizes, 'with faults')
    if calm.resident:
        check_flat(calm.resident, 'steady, the session that stays')
        check_flat(troubled.resident, 'with faults, the session that stays')
    if hasattr(server, 'last_faults'):
        hit += server.last_faults()
    check(instance.process.alive(), 'it has ended')
    spent = time.time() - begin
    flushed = finish(instance, start, 'on memmgr', True)
    found, told = reports(instance.log())
    check(found == 0, '%d misuses: %s' % (found, '; '.join(told[:5])))
    check(not faults_in(instance.log()), 'it crashed: %s' % faults_in(instance.log())[:3])
    own_numbers(instance)
    note('%s: MiB after each round, steady: %s' % (server.name, series(calm.sizes)))
    note('%s: MiB after each round, with faults: %s' % (server.name, series(troubled.sizes)))
    return (server.name, 'memmgr', '%.0f' % spent, calm.done + troubled.done,
            calm.requests + troubled.requests, mib(calm.peak), mib(calm.after.pss), mib(flushed.pss),
            '%+.1f' % percent(calm.sizes), '%+.1f' % percent(troubled.sizes), found, hit)


def series(sizes):
    """At most 12 of them."""
    step = max(1, len(sizes) // 12)
    return ' '.join(mib(size) for size in sizes[::step])


def on_other(server, seconds, name, preload):
    instance = Instance(server, name.split(',')[0], preload)
    if not started(instance, 'on ' + name):
        return
    instance.watch()
    start = instance.idle(1)
    begin = time.time()
    calm = steady(instance, seconds, 'on ' + name)
    spent = time.time() - begin
    flushed = finish(instance, start, 'on ' + name, False)
    table(server.name, name, '%.0f' % spent, calm.done, calm.requests, mib(calm.peak),
          mib(calm.after.pss), mib(flushed.pss), '%+.1f' % percent(calm.sizes), '-', '-', '-', '-')


# --- allocations that fail ---------------------------------------------------------------------


def stacks(pid, name):
    """Where a process hangs, for whoever looks into it."""
    for each in descendants(pid):
        with open(name, 'a') as file:
            try:
                subprocess.run(['gdb', '-nx', '-batch', '-p', str(each), '-ex',
                                'thread apply all bt 12'], stdin=subprocess.DEVNULL, stdout=file,
                               stderr=file, timeout=30)
            except (OSError, subprocess.TimeoutExpired):
                pass


def crashes(log):
    """Whose fault each was. Only a server that uses the NULL it was given is excused."""
    noted = []
    for number, address, places in faults_in(log):
        what = 'signal %d at %#x in %s' % (number, address, ' '.join(places[:4]))
        if memmgr_is_in(places):
            noted.append('a crash of memmgr: ' + what)
        elif number == signal.SIGABRT:
            noted.append('gave up: ' + what)
        elif address < 65536:
            noted.append('used the NULL it was given: ' + what)
        else:
            noted.append('a crash that is not explained: ' + what)
    return noted


def silent_crashes(log, status):
    """Processes that were ended by a fault, by a log or the status, and where.c said nothing."""
    told = len(re.findall(r'(?:exited on|terminated by) signal (?:4|6|7|8|11)\b', log))
    told += status is not None and -status in (4, 6, 7, 8, 11)
    return max(0, told - len(faults_in(log)))


def with_failures(server, option):
    tag = 'inject.' + option.replace('/', '_').replace(':', '_')
    instance = Instance(server, tag, memmgr_library(), 'stats,inject=' + option)
    up = instance.start(15)
    good = 0
    if up:
        try:
            good = server.poke()
        except Exception:
            pass
    alive = instance.process.alive()
    status = instance.process.stop(server.stop_signal, 20)
    if status is None:
        stacks(instance.process.pid, '%s/%s.stacks' % (server.out, tag))
    instance.process.end()
    return judge_failures(server, option, instance.log(), status, alive, up, good)


def judge_failures(server, option, log, status, alive, up, good):
    """Did it go on after a failure?"""
    noted = crashes(log)
    found, told = reports(log)
    what = '%s inject=%s' % (server.name, option)
    check(not any('a crash' in text for text in noted), what + ': ' + '; '.join(noted[:3]))
    own_end = server.own_end(log)
    aborted = own_end and status == -signal.SIGABRT
    check(aborted or not silent_crashes(log, status), what + ': nobody says where it crashed')
    check(found == 0, '%s: %d misuses: %s' % (what, found, '; '.join(told[:3])))
    check(status is not None, what + ': it hangs')
    check(alive or status == 0 or own_end or noted, what + ': it ended, and did not say why')
    failures = sum(int(n) for n in re.findall(r'^memmgr: .*, failures (\d+),', log, re.M))
    if alive:
        did = '%d pieces of work done' % good if up else 'not answering'
        end = 'went on, %s, status %s' % (did, status)
    else:
        end = 'ended, status %s%s' % (status, '' if up else ', while it started')
    kinds = sorted(set(text.split(':')[0] for text in noted))
    note('; '.join(['%s: %s' % (what, end), 'at least %d failures' % failures] + kinds))
    return alive and failures > 0


# --- the commands ------------------------------------------------------------------------------


def soak(server, seconds):
    cells = on_memmgr(server, seconds)
    went_on = [with_failures(server, option) for option in server.injections]
    check(any(went_on) or not server.survives, 'it never went on after a failed allocation')
    if cells:
        table(*cells, '%d/%d' % (sum(went_on), len(went_on)))
    for name, preload in server.others:
        on_other(server, seconds / 5, name, preload)


def rate(server, seconds):
    """Measured in turns, each time in a fresh process; medians are compared."""
    allocators = [('memmgr', os.environ['LIBRARY'])] + server.others
    rates = {name: [] for name, _ in allocators}
    server.rating = True
    for turn in range(3 if seconds < 100 else 7):
        for name, preload in allocators[::-1 if turn % 2 else 1]:
            instance = Instance(server, 'rate.' + name.split(',')[0], preload)
            if started(instance, name):
                rates[name].append(server.rate())
                if hasattr(server, 'leave'):
                    server.leave()
                instance.process.stop(server.stop_signal)
                instance.process.end()
    for name, _ in allocators:
        if check(rates[name], 'no rate of %s' % name):
            table('rate', server.name, name, '%.0f' % statistics.median(rates[name]))


def self_test():
    """A leak is seen in a real process, and noise is not taken for one."""
    level = [50 * MIB + (i * 7919 % 13) * 50000 for i in range(60)]
    check(flat(level), 'noise is taken for growth')
    check(not flat([size + i * MIB // 8 for i, size in enumerate(level)]), 'growth is not seen')
    steps = [size + (i // 20) * 5 * MIB for i, size in enumerate(level)]
    check(not flat(steps), 'steps are not seen')
    leak = 'import time\nkept = []\nwhile True: kept.append(b"x" * 400000); time.sleep(0.02)'
    process = Process([sys.executable, '-c', leak], os.environ['OUT'] + '/leak.log')
    sizes = []
    for _ in range(12):
        time.sleep(0.2)
        sizes.append(process.memory().anon)
    process.end()
    check(not flat(sizes), 'a real leak is not seen')
    faulty = os.path.dirname(os.environ['OUT']) + '/faulty'
    logs = {}
    for fault in 'twice', 'null', 'inside', 'none':
        log = '%s.%s.log' % (faulty, fault)
        Process([faulty, fault], log, {'LD_PRELOAD': memmgr_library(), 'MEMMGR_OPTIONS': 'stats'}
                ).started.wait()
        with open(log) as file:
            logs[fault] = file.read()
    check(reports(logs['twice'])[0] == 1, 'a block that is freed twice is not seen')
    clean = reports(logs['none'])[0] == 0 and not crashes(logs['none'])
    check(clean, 'a clean end is not seen as one')
    check('used the NULL' in ''.join(crashes(logs['null'])), 'a NULL that is used is not seen')
    inside = ''.join(crashes(logs['inside']))
    check('a crash of memmgr' in inside, 'a crash in the library is not seen')


def main():
    own_orphans()
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    signal.signal(signal.SIGALRM, lambda number, frame: sys.exit('it takes too long'))
    seconds = float(os.environ.get('SECONDS', '600'))
    signal.alarm(int(seconds * 3 + 1800))
    try:
        if sys.argv[1] == 'self':
            self_test()
        else:
            module = importlib.import_module(sys.argv[2])
            server = getattr(module, SERVERS[sys.argv[2]])(os.environ['OUT'])
            server.prepare()
            {'soak': soak, 'rate': rate}[sys.argv[1]](server, seconds)
    except Exception:
        traceback.print_exc()
        check(False, 'see ' + os.environ['OUT'] + '/log')
    finally:
        left = stop_all()
    check(left == 0, '%d processes were left' % left)
    print('%d passed, %d failed' % (passed, failed))
    sys.exit(failed != 0)


main()
