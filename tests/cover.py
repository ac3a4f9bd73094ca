# cover.py OUT VERSION: adds up what the programs of cover.sh counted, and judges it. OUT/bin has
# the programs, OUT/raw their counts, OUT/log what the jobs said; VERSION is the end of the names of
# LLVM's tools, such as "-19". OUT/missing.txt is written. The last line is "N passed, N failed".

import collections
import concurrent.futures
import json
import os
import re
import subprocess
import sys

CODE, EXPANSION, SKIPPED, GAP = 0, 1, 2, 3  # kinds of regions in the export

out, version = sys.argv[1], sys.argv[2]
header = os.path.join(out, 'tree', 'memmgr.h')
text = [''] + open(header, encoding='utf-8').read().split('\n')  # lines count from 1


def tool(name, *arguments):
    return subprocess.run([name + version, *arguments], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout.decode('utf-8', 'replace')


# --- What was counted ----------------------------------------------------------------------------


def files(folder):
    folder = os.path.join(out, folder)
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]


def id_of_program(path):
    found = re.search(r'Build ID: ([0-9a-f]+)', tool('llvm-readelf', '-n', path))
    return found and found.group(1)


def id_of_counts(path):
    try:
        return tool('llvm-profdata', 'show', '--binary-ids', path).strip().split('\n')[-1].strip()
    except subprocess.CalledProcessError:  # of a program that ended before it began
        return None


def export(build):
    """What one program counted in memmgr.h: its functions, as llvm-cov tells them."""
    program, counts = build
    merged = os.path.join(out, 'data', os.path.basename(program) + '.profdata')
    tool('llvm-profdata', 'merge', '-sparse', '-o', merged, *counts)
    try:
        told = tool('llvm-cov', 'export', '-skip-expansions', '-instr-profile=' + merged,
                    program, header)
    except subprocess.CalledProcessError:  # it does not hold the header
        return []
    return [function for function in json.loads(told)['data'][0]['functions']
            if os.path.normpath(function['filenames'][0]) == header]


def builds(pool):
    programs, counts = files('bin'), files('raw')
    of = collections.defaultdict(list)
    for path, build in zip(counts, pool.map(id_of_counts, counts)):
        of[build].append(path)
    return [(path, of[build]) for path, build in zip(programs, pool.map(id_of_program, programs))
            if build and of[build]]


# --- Added up ------------------------------------------------------------------------------------

lines = {}     # number: how often it ran
branches = {}  # key, see branch_keys: [how often true, how often false]
called = set() # functions, by where they begin, that some program makes use of
unused = {}    # the others, and where they end


def add_lines(regions):
    """As llvm-cov does: a line ran as often as the most frequent of the region that it begins in
    and of those that begin in it."""
    inside, begun, gone = {}, {}, set()
    outer_first = sorted(regions, key=lambda region: (region[:2], [-region[2], -region[3]]))
    for first, _, last, _, count, _, _, kind in outer_first:
        if kind == SKIPPED:
            gone.update(range(first, last + 1))
        elif kind in (CODE, GAP):
            for line in range(first + 1, last + 1):
                inside[line] = count
            if kind == CODE:
                begun[first] = max(begun.get(first, 0), count)
    for line in inside.keys() | begun.keys():
        if line not in gone:
            ran = max(inside.get(line, 0), begun.get(line, 0))
            lines[line] = lines.get(line, 0) + ran


def source(first, left, last, right):
    if first == last:
        return text[first][left - 1:right - 1]
    return ' '.join([text[first][left - 1:].strip()] + [text[line].strip() for line in
                    range(first + 1, last)] + [text[last][:right - 1].strip()])


def branch_keys(function):
    """For each branch: where it stands in the function, or the macro does that it is from; where in
    the macro; and its number, as all operands of a macro's argument stand at the same place."""
    call = {region[6]: region for region in function['regions'] if region[7] == EXPANSION}
    seen = collections.Counter()
    for branch in function['branches']:
        at = branch
        file = branch[6]
        while file in call:
            at, file = call[file], call[file][5]
        key = tuple(at[:4]), tuple(branch[:4])
        seen[key] += 1
        yield key + (seen[key],)


def counts_nothing(key, branch):
    """An assertion; or the whole of MMI_LIKELY(a && b), whose operands are branches themselves."""
    place, inner, _ = key
    written = text[place[0]][place[1] - 1:]
    if re.match(r'(MMI|MEMMGR)_ASSERT\b', written):
        return True
    if re.match(r'MMI_(UN)?LIKELY\b', written) and inner != place:
        condition = MACRO.match(argument_at(place))
        whole = text[inner[0]][inner[1] - 1:].startswith('__builtin_expect')
        return bool(whole and condition and re.search(r'&&|\|\|', condition.group(1)) and
                    '?' not in condition.group(1))
    return False


MACRO = re.compile(r'\w+\((.*)')


def argument_at(place):
    """A macro's call from its name to the bracket that closes it."""
    written, depth = '', 0
    for line in range(place[0], place[0] + 20):
        for letter in text[line][(place[1] - 1 if line == place[0] else 0):]:
            written += letter
            depth += (letter == '(') - (letter == ')')
            if depth == 0 and letter == ')':
                return re.sub(r'\s+', ' ', written)
    return written


def add_function(function):
    regions = [region for region in function['regions'] if region[5] == 0]
    whole = regions[0]
    if len(regions) == 1 and whole[4] == 0 and not function['branches']:
        unused[tuple(whole[:2])] = whole  # the compiler tells no more of it
        return
    called.add(tuple(whole[:2]))
    add_lines(regions)
    ran = {(region[5],) + tuple(region[:4]): region[4] for region in function['regions']
           if region[7] == CODE}
    for key, branch in zip(branch_keys(function), function['branches']):
        if counts_nothing(key, branch):
            continue
        true, false = branch[4:6]
        if true == false == 0 and ran.get((branch[6],) + tuple(branch[:4]), 0) > 0:
            continue  # constant in this program
        sum_ = branches.setdefault(key, [0, 0])
        sum_[0] += true
        sum_[1] += false


def is_code(line):
    written = re.sub(r'//.*', '', text[line]).strip()
    return written not in ('', '{', '}', '};') and line not in preprocessor


def preprocessor_lines():
    found, goes_on = set(), False
    for line, written in enumerate(text):
        if goes_on or written.lstrip().startswith('#'):
            found.add(line)
            goes_on = written.endswith('\\')
    return found


preprocessor = preprocessor_lines()

# --- Judged --------------------------------------------------------------------------------------

EXCUSE = re.compile(r'// (uncovered|half covered)( \d+)?(:?)\s*(.*)$')


class Room:
    def __init__(self, name):
        self.name = name
        self.lines = self.lines_run = self.branches = self.branches_run = self.excused = 0
        self.missing, self.faults = [], []


def rooms_of_lines():
    """The room of each line, and the rooms."""
    room, of, rooms = Room('manual'), [], []
    for written in text:
        found = re.match(r'// >>(\w+)$', written)
        if found:
            room = Room(found.group(1))
            rooms.append(room)
        of.append(room)
    return of, rooms


def shown(key):
    place, inner, number = key
    if place == inner:
        return source(*place)
    return argument_at(place) + (', operand %d' % number if number > 1 else '')


def judge():
    of, rooms = rooms_of_lines()
    never = collections.defaultdict(list)  # line: what it lacks
    for line, ran in lines.items():
        if not is_code(line):
            continue
        of[line].lines += 1
        of[line].lines_run += ran > 0
        if ran == 0:
            never[line].append('line never')
    for key, (true, false) in sorted(branches.items()):
        line = key[0][0]
        of[line].branches += 2
        of[line].branches_run += (true > 0) + (false > 0)
        if lines.get(line, 0) > 0:
            never[line] += ['%s never: %s' % (way, shown(key))
                            for way, ran in (('true', true), ('false', false)) if ran == 0]
    for line, written in enumerate(text):
        room, lacks, excuse = of[line], never.get(line, []), EXCUSE.search(written)
        if excuse:
            fault = fault_of(excuse, lacks)
            if fault:
                room.faults.append('memmgr.h:%d: %s' % (line, fault))
            else:
                room.excused += 1
                lacks = []
        room.missing += ['memmgr.h:%d: %s' % (line, what) for what in lacks]
    return rooms


def fault_of(excuse, lacks):
    kind, number, colon, reason = excuse.groups()
    if not colon or not reason:
        return 'an excuse without a reason'
    if kind == 'uncovered':
        return None if lacks == ['line never'] else "'uncovered', and yet the line runs"
    if lacks == ['line never']:
        return "'half covered', and the line never runs"
    if len(lacks) != int(number or 1):
        return "'half covered', and the line lacks %d branch directions" % len(lacks)
    return None


def show(rooms):
    with open(os.path.join(out, 'missing.txt'), 'w', encoding='utf-8') as missing:
        for room in rooms:
            if room.missing or room.faults:
                missing.write('>>%s\n%s\n\n' % (room.name, '\n'.join(room.missing + room.faults)))
    passed = failed = 0
    for room in rooms:
        if not (room.lines or room.faults):
            continue
        bad = bool(room.missing or room.faults)
        passed, failed = passed + (not bad), failed + bad
        print('  %-12s %4d/%4d lines %4d/%4d branches %3d excused  %d passed, %d failed' %
              (room.name, room.lines_run, room.lines, room.branches_run, room.branches,
               room.excused, not bad, bad))
        for fault in room.faults:
            print('    ' + fault)
    return passed, failed


def show_jobs():
    """A test that fails has not reached what it should; a job is known by its last line."""
    passed = failed = 0
    for path in files('log'):
        said = open(path, encoding='utf-8', errors='replace').read().rstrip('\n').split('\n')
        name = os.path.basename(path)
        if said[-1] == name + ' ok':
            passed += 1
        elif said[-1].startswith(name + ' skipped: ') and not os.environ.get('MEMMGR_REQUIRE_ALL'):
            print('  ' + said[-1])
        else:
            failed += 1
            print('    ' + said[-1])
    print('  %-12s %d passed, %d failed' % ('jobs', passed, failed))
    return passed, failed


def main():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for functions in pool.map(export, builds(pool)):
            for function in functions:
                add_function(function)
    for start, (first, _, last, *_) in unused.items():
        if start not in called:
            for line in range(first, last + 1):
                lines.setdefault(line, 0)
    passed, failed = show_jobs()
    rooms = judge()
    well, badly = show(rooms)
    total = [sum(getattr(room, what) for room in rooms)
             for what in ('lines_run', 'lines', 'branches_run', 'branches', 'excused')]
    print('  %-12s %4d/%4d lines %4d/%4d branches %3d excused' % ('all', *total))
    print('%d passed, %d failed' % (passed + well, failed + badly))
    sys.exit(failed + badly > 0)


main()
