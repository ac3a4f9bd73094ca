# check.py: run by gdb with examples/gdb/memmgr.py loaded, in a program.c that has aborted. Compares
# the commands with expected.txt, the maps with those that memmgr drew, and `memmgr where` with what
# memmgr_pool_walk showed. MEMMGR_CHECK="EXPECTED WALK MAPS STEP" in the environment; every STEPth
# granule of the walk is asked about. The last line is "N passed, N failed".

import contextlib
import io
import os
import re

import gdb

results = {True: 0, False: 0}


def check(holds, what):
    results[bool(holds)] += 1
    if not holds and results[False] <= 10:
        print('    ' + what.replace('\n', '\n    '))


def output(command):
    try:
        return gdb.execute(command, to_string=True)
    except gdb.error as error:
        return str(error).replace('Error occurred in Python: ', '') + '\n'


def expand(match):
    kind, expression = re.match(r'(?:(size|row|left|segment) )?(.*)', match.group(1)).groups()
    if kind == 'segment':
        return '0x%x' % first_segment(int(gdb.parse_and_eval(expression)))
    value = gdb.parse_and_eval(expression)
    pointer = value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR
    if kind == 'row':
        return '%012x' % int(value)
    if kind == 'left':
        return '%-18s' % ('0x%x' % int(value))
    if kind == 'size':
        return human(int(value))
    return '0x%x' % int(value) if pointer else str(int(value))


def matches(text, wanted):
    patterns = ('(?:.*\n)*?' if line == '...' else re.escape(line) + '\n' for line in wanted)
    return re.fullmatch(''.join(patterns), text)


def check_commands(path):
    with open(path) as file:
        parts = re.split(r'^> ', file.read(), flags=re.M)[1:]
    for part in parts:
        command, *wanted = part.rstrip('\n').split('\n')
        wanted = [re.sub(r'\{([^{}]+)\}', expand, line) for line in wanted]
        text = output(command)
        check(matches(text, wanted),
              '%s\nshows\n%sand not\n%s' % (command, text, '\n'.join(wanted)))


def map_of(text):
    return re.findall(r'^[0-9a-f]{12}  [-=.~A-Za-z]+$', text, flags=re.M)


def check_maps(path):
    with open(path) as file:
        parts = re.split(r'^(fixed|growing|tracked|heap)\n', file.read(), flags=re.M)[1:]
    for name, text in zip(parts[::2], parts[1::2]):
        shown = map_of(output('memmgr heap' if name == 'heap' else 'memmgr pool ' + name))
        check(shown and shown == map_of(text), 'the map of %s is another than memmgr draws' % name)


def where(address, pool):
    """What `memmgr where` says, without looking up the pool each time."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        where_in_pool(address, pool, pool.segment_of(address), pool)
    lines = said.getvalue().splitlines()
    start, size, kind = re.fullmatch(r'  block   (0x\w+), (\d+) bytes, (.*)', lines[2]).groups()
    return int(start, 16), int(size), kind, lines[-1].split()[1]


def check_walk(path, step):
    """What was freed after the walk stands at its end, with size 0."""
    with open(path) as file:
        rows = [line.split() for line in file]
    freed = {int(row[0], 16) for row in rows if row[1] == '0'}
    pool = Pool(int(gdb.parse_and_eval('random_pool')))
    kept = set()
    for start, size, live in ((int(row[0], 16), int(row[1], 16), row[2] == '1') for row in rows):
        for address in range(start, start + size, 16 * step if size > 16 * step else 16):
            at, length, kind, free = where(address, pool)
            if live and start not in freed:
                good = (at, length, kind) == (start, size, LIVE)
                wanted = 'MEMMGR_OK' if address == start else 'MEMMGR_INTERIOR_POINTER'
            else:
                good = kind in (KEPT, FREE) and at <= address < at + length
                good = good and (kind == FREE or (at, length) == (start, size))
                wanted = 'MEMMGR_DOUBLE_FREE'
                kept.add(kind)
            check(good and free == wanted,
                  '0x%x is in 0x%x, %d bytes, %s, free: %s; the walk: 0x%x, %d bytes, live %s' % (
                      address, at, length, kind, free, start, size, live))
    check(kept == {KEPT, FREE}, 'no kept blocks, or no free memory, in the random pool')


arguments = os.environ['MEMMGR_CHECK'].split()
try:
    check_commands(arguments[0])
    check_maps(arguments[2])
    check_walk(arguments[1], int(arguments[3]))
except Exception as error:
    check(False, '%s: %s' % (type(error).__name__, error))
print('%d passed, %d failed' % (results[True], results[False]))
