# machine.py: processes that are started and surely stopped, the memory they have, and sockets that
# behave badly.

import collections
import ctypes
import os
import signal
import socket
import struct
import subprocess
import time

MIB = 1 << 20
HOST = '127.0.0.1'
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

# Bytes of a tree of processes: pss counts a shared page by its share, anon is the part of it that
# is no file's: heaps and stacks.
Memory = collections.namedtuple('Memory', 'pss anon')


class Wrong(Exception):
    """The server answered something that is not true."""


def own_orphans():
    """Processes whose parents have died become ours, and we end when our own parent does."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def descendants(root):
    """The process and all below it."""
    children = collections.defaultdict(list)
    for name in os.listdir('/proc'):
        if name.isdigit():
            try:
                with open('/proc/%s/stat' % name) as file:
                    state, parent = file.read().rsplit(')', 1)[1].split()[:2]
            except OSError:
                continue
            if state != 'Z':
                children[int(parent)].append(int(name))
    found = [root]
    for pid in found:
        found.extend(children[pid])
    return found


def fields(path):
    """A file of lines `Name:  1234 kB`, in bytes."""
    found = {}
    with open(path) as file:
        for line in file:
            words = line.split()
            if len(words) == 3 and words[2] == 'kB':
                found[words[0].rstrip(':')] = int(words[1]) << 10
    return found


def memory(pids):
    pss = anon = 0
    for pid in pids:
        try:
            try:
                found = fields('/proc/%d/smaps_rollup' % pid)
                pss += found['Pss']
                anon += found['Pss_Anon']
            except (FileNotFoundError, PermissionError, KeyError):
                found = fields('/proc/%d/status' % pid)
                pss += found['VmRSS']
                anon += found['RssAnon']
        except (OSError, KeyError):
            pass  # it has ended meanwhile
    return Memory(pss, anon)


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def stop_all():
    """Ends whatever is left of what this process started, and says how many there were."""
    left = descendants(os.getpid())[1:]
    for pid in left:
        kill(pid, signal.SIGQUIT)  # for postgres: it removes its shared memory, and its children
    until = time.time() + 3
    while time.time() < until and len(descendants(os.getpid())) > 1:
        time.sleep(0.05)
    for attempt in range(100):
        more = descendants(os.getpid())[1:]
        for pid in more:
            kill(pid)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        if not more:
            break
        time.sleep(0.05)
    return len(left)


# Below the ports that the system gives to clients.
def free_port():
    for attempt in range(5000):
        port = 20000 + (os.getpid() * 61 + attempt * 7 + int(time.time() * 1000) * 13) % 12000
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
                return port
            except OSError:
                pass
    raise OSError('no port is free')


class Process:
    """A server, with all it prints in a log."""

    def __init__(self, command, log, environment=None, user=None, directory=None):
        surroundings = dict(os.environ, LC_ALL='C', **(environment or {}))
        options = {'user': user, 'group': user, 'extra_groups': []} if user else {}
        with open(log, 'ab') as out:
            self.started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, env=surroundings, cwd=directory,
                                            start_new_session=True, **options)
        self.pid = self.started.pid

    def alive(self):
        return self.started.poll() is None

    def memory(self):
        return memory(descendants(self.pid))

    def stop(self, number=signal.SIGTERM, seconds=20):
        """The exit status; negative for a signal, and None if only SIGKILL ended it."""
        if self.alive():
            kill(self.pid, number)
        try:
            return self.started.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self):
        """The process and all below it, at once."""
        for pid in reversed(descendants(self.pid)):
            kill(pid)
        self.started.wait()


def run(command, limit=120, **options):
    """What a command printed. One that fails, or does not end, is an OSError."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, timeout=limit, **options)
    if done.returncode:
        raise OSError('%s: status %d: %s' % (command[0], done.returncode, done.stdout[-400:]))
    return done.stdout


def load(command):
    """A load tool in the background."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, start_new_session=True)


def kill_amid(command, seconds):
    """A load tool that is killed in the midst of its requests."""
    tool = load(command)
    time.sleep(seconds)
    tool.kill()
    tool.wait()


def connect(port, timeout=30):
    return socket.create_connection((HOST, port), timeout=timeout)


def reset(connection):
    """Closes with a reset: what was under way is lost."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    connection.close()


def cut(port, requests, wait=0.02):
    """Each request, or the half of one, on a connection of its own; all are reset. The count."""
    open_ones = []
    for request in requests:
        try:
            connection = connect(port, 5)
        except OSError:
            continue
        open_ones.append(connection)
        connection.setblocking(False)
        try:
            connection.send(request)
        except OSError:
            pass
    time.sleep(wait)
    for connection in open_ones:
        reset(connection)
    return len(open_ones)
