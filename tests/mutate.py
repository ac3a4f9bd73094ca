#!/usr/bin/env python3
"""mutate.py: changes memmgr.h one place at a time, and asks the tests whether they notice.

    python3 tests/mutate.py                   the sample for the figure: 460 mutants of all rooms
    python3 tests/mutate.py --list            every mutant there is, with its number
    python3 tests/mutate.py --only 1200,1305  these, with what killed them, or did not
    python3 tests/mutate.py --rooms map,index --sample 100 --seed 7
    SHORT=1 python3 tests/mutate.py           12 of the sample

A mutant is a token changed, or a statement left out. All mutants of a sample that lie in functions
are compiled at once: each function becomes a switch over a number that the environment sets, with
the function as it is for 0. So a mutant costs what its tests take, and no compilation. Mutants of
constants outside of functions are compiled one by one.

Which tests reach a mutant is measured first, with the unchanged functions: a mark before every
statement, in a file that is mapped and shared, so that marks of children and of programs that
abort count. A mutant's tests run program by program, first those that are quick and have killed
others, until one fails; it must fail twice. Slow tests, and programs in rarer settings, are for
what no other test reaches.

A survivor is compiled alone, and is equivalent, and not counted, if the object code in all settings
is the unchanged file's. The others are survivors; mutants.txt says of each why it may be one. What
it does not explain is a failure, and so are less than 90 percent killed.

CC is honoured; JOBS or --jobs: tests at a time (2). The result of each mutant goes to
build/mutate/results; a run that is broken off goes on from there, while memmgr.h and the tests are
the same.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, 'build', 'mutate')
TREE = os.path.join(OUT, 'tree')
CC = os.environ.get('CC', 'cc').split()
CXX = os.environ.get('CXX', 'c++').split()
# For what is compiled once for each mutant.
QUICK_CC = ['clang'] if shutil.which('clang') else CC
SAMPLE = 460
SHORT_SAMPLE = 12
LEAST_KILLED = 90          # percent
SLOW = 1                   # seconds of processor time: a test that is not among the first
LEAST_SECONDS = 5          # of a test's time limit, which is ten times what it takes
DATA_LIMIT = 4 << 30       # bytes that a process may write to
FILE_LIMIT = 256 << 20
MARKS = 1 << 15
PLUGIN = '.plugin.so'      # what a test of family.c loads, behind the program's name

# Rooms of which nothing is compiled, or nothing that runs.
NO_CODE = {'manual', 'config', 'attributes', 'types', 'api', 'platform', 'end', 'changelog',
           'licence'}

# --- The header's tokens -------------------------------------------------------------------------

TOKEN = re.compile(r'''
    (?P<comment>//[^\n]*|/\*.*?\*/)
  | (?P<hash>^[ \t]*\#(?:[^\n\\]|\\.|\\\n)*)
  | (?P<string>"(?:[^"\\\n]|\\.)*")
  | (?P<char>'(?:[^'\\\n]|\\.)*')
  | (?P<number>\.?[0-9](?:[eEpP][+-]|[\w.])*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<operator>\.\.\.|<<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\#\#|.)
  | (?P<space>\s+)
''', re.X | re.S | re.M)

Token = collections.namedtuple('Token', 'kind text at')
Function = collections.namedtuple('Function', 'name is_bool first last room marks')
Mutant = collections.namedtuple('Mutant', 'number room function line text change at end new mark')


def tokens_of(text, offset=0):
    """Without comments and white space."""
    found = []
    for match in TOKEN.finditer(text):
        kind = match.lastgroup
        if kind not in ('comment', 'space') and not match.group().isspace():
            found.append(Token(kind, match.group(), offset + match.start()))
    return found


class Header:
    """memmgr.h: its rooms, functions, and mutants."""

    def __init__(self, path):
        with open(path, encoding='utf-8') as file:
            self.text = file.read()
        self.line_starts = [0] + [m.end() for m in re.finditer('\n', self.text)]
        self.lines = self.text.split('\n')
        self.rooms = [(m.start(), m.group(1)) for m in
                      re.finditer(r'^// >>(\w+)', self.text, re.M)]
        self.implementation = next(at for at, room in self.rooms if room == 'platform')
        self.tokens = tokens_of(self.text)
        self.functions = []
        self.between = []          # tokens outside of functions
        self.mark_count = 0
        self.find_functions()

    def line_of(self, at):
        low, high = 0, len(self.line_starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.line_starts[middle] <= at else (low, middle)
        return low + 1

    def room_of(self, at):
        return [room for start, room in self.rooms if start <= at][-1]

    def find_functions(self):
        """A function's body begins with a brace outside of all others, behind a parenthesis."""
        tokens, depth, first, start = self.tokens, 0, None, 0
        for i, token in enumerate(tokens):
            if token.text == '{':
                before = tokens[i - 1]
                if depth == 0 and before.kind == 'string':
                    continue       # extern "C"
                if depth == 0 and before.text in (')', 'noexcept'):
                    first = i
                depth += 1
            elif token.text == '}' and depth > 0:
                depth -= 1
                if depth == 0 and first is not None:
                    self.add_function(start, first, i)
                    first, start = None, i + 1
            if depth == 0 and first is None:
                if token.text == ';' or token.kind == 'hash':
                    start = i + 1
        inside = set()
        for function in self.functions:
            inside.update(range(function.first, function.last + 1))
        self.between = [i for i in range(len(tokens)) if i not in inside]

    def add_function(self, start, first, last):
        tokens = self.tokens
        closing = max(i for i in range(start, first) if tokens[i].text == ')')
        depth, i = 0, closing
        while True:
            depth += {')': 1, '(': -1}.get(tokens[i].text, 0)
            if depth == 0:
                break
            i -= 1
        type_names = [token.text for token in tokens[start:i - 1]]
        self.functions.append(Function(
            tokens[i - 1].text, 'bool' in type_names and '*' not in type_names, first, last,
            self.room_of(tokens[first].at), self.marks_of(first, last)))

    def marks_of(self, first, last):
        """Where statements begin: offset and number. Declarations may follow any of them."""
        tokens, round_depth = self.tokens, 0
        marks = []
        for i in range(first, last):
            at, after = i, tokens[i + 1]
            round_depth += {'(': 1, ')': -1}.get(tokens[i].text, 0)
            while tokens[at].kind == 'hash':
                at -= 1
            token, before = tokens[at], tokens[at - 1].text
            if round_depth != 0 or after.text in ('}', 'else', 'case', 'default', 'while'):
                continue
            if after.kind == 'hash' or (after.kind == 'name' and tokens[i + 2].text == ':'):
                continue
            opens = token.text == '{' and (at == first or before in (')', 'else', 'do', '{', ';'))
            if opens or token.text == ';' or (token.text == '}' and before in (';', '}')):
                marks.append((after.at, self.mark_count))
                self.mark_count += 1
        if not marks:
            marks.append((tokens[first].at + 1, self.mark_count))
            self.mark_count += 1
        return marks

    def mutants(self):
        """All of them, in the order of the file."""
        found = []
        for function in self.functions:
            at = self.tokens[function.first].at
            if function.room not in NO_CODE and at > self.implementation:
                Mutator(self, function, found).function_body()
        names = set()
        for i in self.between:
            token = self.tokens[i]
            if token.at < self.implementation or self.room_of(token.at) in NO_CODE:
                continue
            if token.kind == 'hash':
                Mutator(self, None, found).macro(token)
            elif token.text == 'enum' and (i == 0 or self.tokens[i - 1].text != 'typedef'):
                Mutator(self, None, found).enumeration(i)
            elif token.text == 'static':
                Mutator(self, None, found).initialiser(i)
            names.add(token.text)
        found.sort(key=lambda raw: raw[0])
        mutants, seen = [], set()
        for number, (at, end, new, label, function) in enumerate(found, 1):
            assert (at, end, new) not in seen
            seen.add((at, end, new))
            mark = None
            if function:
                mark = [m for offset, m in function.marks if offset <= at] or [function.marks[0][1]]
                mark = mark[-1]
            line = self.line_of(at)
            mutants.append(Mutant(number, self.room_of(at), function.name if function else '-',
                                  line, self.lines[line - 1].strip(), label, at, end, new, mark))
        return numbered(mutants)


def numbered(mutants):
    """The same change more than once in a line, or in lines that are the same: #2, #3."""
    seen = collections.Counter()
    result = []
    for mutant in mutants:
        key = (mutant.function, mutant.text, mutant.change)
        seen[key] += 1
        if seen[key] > 1:
            mutant = mutant._replace(change='%s #%d' % (mutant.change, seen[key]))
        result.append(mutant)
    return result


# --- What is changed -----------------------------------------------------------------------------

SWAPPED = {'<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '==', '&&': '||',
           '||': '&&', '<<': '>>', '>>': '<<', '++': '--', '--': '++', '+=': '-=', '-=': '+=',
           '&=': '|=', '|=': '&=', '<<=': '>>=', '>>=': '<<='}
SWAPPED_BINARY = {'+': '-', '-': '+', '&': '|', '|': '&'}
NO_STATEMENT = {'return', 'if', 'for', 'while', 'do', 'switch', 'case', 'default', 'break',
                'continue', 'goto', 'else', 'static', 'const', 'struct', 'enum', 'typedef',
                'unsigned', 'extern', '__asm__'}
# They do nothing in a program that does not ask for it.
NOT_RUN = {'MMI_ASSERT', 'MMI_STATIC_ASSERT', 'MMI_PAUSE'}


class Mutator:
    def __init__(self, header, function, found):
        self.header, self.function, self.found = header, function, found

    def add(self, at, end, new, label):
        self.found.append((at, end, new, label, self.function))

    def replace(self, token, new):
        self.add(token.at, token.at + len(token.text), new, '%s -> %s' % (token.text, new))

    def number(self, token):
        match = re.fullmatch(r'(0[xX][0-9a-fA-F]+|[0-9]+)([uUlL]*)', token.text)
        if not match:
            return
        value, suffix = int(match.group(1), 0), match.group(2)
        for new in sorted({value + 1, max(value - 1, 0), 0} - {value}):
            text = hex(new) if match.group(1)[:2] in ('0x', '0X') and new else str(new)
            self.replace(token, text + suffix)

    def macro(self, token):
        match = re.match(r'\s*#\s*define\s+\w+[ \t]+((?:[^\n\\]|\\.|\\\n)*)', token.text)
        if match:
            for inner in tokens_of(match.group(1), token.at + match.start(1)):
                if inner.kind == 'number':
                    self.number(inner)

    def enumeration(self, i):
        tokens = self.header.tokens
        while tokens[i].text != '}':
            if tokens[i].kind == 'number':
                self.number(tokens[i])
            i += 1

    def initialiser(self, i):
        tokens, value = self.header.tokens, False
        while tokens[i].text not in (';', '('):
            value = value or tokens[i].text == '='
            if value and tokens[i].kind == 'number':
                self.number(tokens[i])
            i += 1

    def function_body(self):
        tokens, first, last = self.header.tokens, self.function.first, self.function.last
        has_switch = any(t.text == 'switch' for t in tokens[first:last])
        skip_to = first
        for i in range(first + 1, last):
            token = tokens[i]
            if i < skip_to or token.kind in ('string', 'char', 'hash'):
                continue
            if token.text in NOT_RUN:
                skip_to = self.closing(i + 1)
            elif token.kind == 'number':
                if not self.is_array_size(i):
                    self.number(token)
            elif token.kind == 'name':
                self.word(i, token, has_switch)
            else:
                self.operator(i, token)
            if tokens[i - 1].text in ('{', '}', ';', ')', 'else', 'do', ':'):
                self.statement(i)

    def word(self, i, token, has_switch):
        if token.text in ('true', 'false'):
            self.replace(token, 'false' if token.text == 'true' else 'true')
        elif token.text == 'continue':
            self.replace(token, 'break')
        elif token.text == 'break':
            self.replace(token, '' if has_switch else 'continue')
        elif token.text == 'return' and self.function.is_bool:
            tokens = self.header.tokens
            end = i + 1
            while tokens[end].text != ';':
                end += 1
            if end - i > 1 and tokens[i + 1].text not in ('true', 'false'):
                at, stop = tokens[i + 1].at, tokens[end].at
                self.add(at, stop, '!(%s)' % self.header.text[at:stop], 'return x -> !x')

    def operator(self, i, token):
        text, after = self.header.text, token.at + len(token.text)
        if token.text in SWAPPED:
            self.replace(token, SWAPPED[token.text])
        elif token.text in SWAPPED_BINARY and text[after] in ' \n' and text[token.at - 1] == ' ':
            self.replace(token, SWAPPED_BINARY[token.text])
        elif token.text == '!':
            self.replace(token, '')
        elif token.text == '?':
            self.arms(i)

    def arms(self, i):
        """cond ? a : b"""
        tokens, text = self.header.tokens, self.header.text
        depth, nested, colon, j = 0, 0, None, i + 1
        while True:
            t = tokens[j].text
            if depth == 0 and colon is not None and t in (')', ']', '}', ',', ';'):
                break
            depth += {'(': 1, '[': 1, '{': 1, ')': -1, ']': -1, '}': -1}.get(t, 0)
            if depth == 0 and t == '?':
                nested += 1
            if depth == 0 and t == ':':
                if nested == 0 and colon is not None:
                    break
                if nested == 0:
                    colon = j
                else:
                    nested -= 1
            j += 1
        a = text[tokens[i + 1].at:tokens[colon].at].strip()
        b = text[tokens[colon + 1].at:tokens[j].at].strip()
        self.add(tokens[i + 1].at, tokens[colon + 1].at + len(b), '(%s) : (%s)' % (b, a),
                 '? arms swapped')

    def closing(self, i):
        """Behind the parenthesis that closes the one at i."""
        depth = 0
        while True:
            depth += {'(': 1, ')': -1}.get(self.header.tokens[i].text, 0)
            i += 1
            if depth == 0:
                return i

    def is_array_size(self, i):
        """Of an array that is declared here: type name[size]."""
        tokens, j = self.header.tokens, i
        while j > self.function.first and tokens[j].text not in ('[', ';', '{', '(', ','):
            j -= 1
        return (tokens[j].text == '[' and tokens[j - 1].kind == 'name' and
                tokens[j - 2].kind == 'name' and tokens[j - 2].text not in ('return', 'else'))

    def statement(self, i):
        """Is a call or an assignment that can be left out here?"""
        tokens = self.header.tokens
        before, token = tokens[i - 1], tokens[i]
        if before.text == ')' and not self.closes_condition(i - 1):
            return
        if before.text == ':' and tokens[i - 3].text != 'case' and tokens[i - 2].text != 'default':
            return
        if self.is_inside_parentheses(i) or token.text in NO_STATEMENT or token.text in NOT_RUN:
            return
        after = tokens[i + 1].text
        assigns = after in ('=', '*=', '/=', '^=', '+=', '-=', '&=', '|=', '<<=', '>>=')
        begins = (token.kind == 'name' and (assigns or after in ('(', '.', '->', '[', '++', '--'))
                  or token.text in ('*', '++', '--')
                  or token.text == '(' and tokens[i + 1].text in ('void', '*'))
        if not begins:
            return
        end = i
        depth = 0
        while depth != 0 or tokens[end].text != ';':
            depth += {'(': 1, ')': -1, '{': 1, '}': -1}.get(tokens[end].text, 0)
            if depth < 0:
                return
            end += 1
        names = [t.text for t in tokens[i:end]]
        calls = any(b == '(' and a not in ('void', ',') and re.match(r'\w', a)
                    for a, b in zip(names, names[1:]))
        if names[:3] == ['(', 'void', ')'] and not calls:
            return
        self.add(token.at, tokens[end].at, '', 'left out')

    def closes_condition(self, i):
        depth = 0
        while True:
            depth += {')': 1, '(': -1}.get(self.header.tokens[i].text, 0)
            i -= 1
            if depth == 0:
                return self.header.tokens[i].text in ('if', 'for', 'while', 'switch')

    def is_inside_parentheses(self, i):
        depth = 0
        for j in range(i - 1, self.function.first, -1):
            depth += {')': 1, '(': -1}.get(self.header.tokens[j].text, 0)
            if depth < 0:
                return True
        return False


# --- Programs that test --------------------------------------------------------------------------

Program = collections.namedtuple('Program', 'name source flags compiler before wide')
ON = '-DUSE_MEMORY_MGR'
ONE = '-DMEMMGR_NO_THREADS'
DEBUG = '-DMEMMGR_DEBUG'
NO_OS = [ON, ONE, '-DMEMMGR_NO_OS', '-DMEMMGR_STATIC_HEAP_SIZE=8000000']
OVERRIDE = [ON, '-DMEMMGR_OVERRIDE']
ASAN = '-fsanitize=address'

# The settings in which the implementation is compiled for the programs below.
SETTINGS = [[ON], [], NO_OS, OVERRIDE, [ON, ONE], [ON, DEBUG], [DEBUG], [ON, ASAN]]
EQUIVALENT_IN = 3          # settings in which it is compiled, the first of those above


# What of the programs says most about the C library's side.
OFF_FIRST = {'test_draw', 'test_edges', 'test_general', 'test_grow', 'test_libc', 'test_model',
             'test_mutants', 'test_pool', 'test_report', 'test_watch'}


def programs():
    """The wide ones are built and run only for what the others do not reach."""
    found = []
    names = sorted(name[:-2] for name in os.listdir(os.path.join(ROOT, 'tests'))
                   if re.match(r'(test|stress)_\w*\.c$', name))
    for name in names:
        source = 'tests/%s.c' % name
        found.append(Program(name, source, [ON], 'c', None, False))
        found.append(Program(name + '.off', source, [], 'c', None, name not in OFF_FIRST))
    found.append(Program('test_general.one', 'tests/test_general.c', [ON, ONE], 'c', None, True))
    found.append(Program('test_general.no_os', 'tests/test_general.c', NO_OS, 'c', None, False))
    for name in ('test_watch', 'test_trace'):
        for flags in ([ON, DEBUG], [DEBUG], [ON, ONE]):
            which = {ON: 'on', ONE: 'one', DEBUG: 'debug'}
            found.append(Program('.'.join([name] + [which[flag] for flag in flags]),
                                 'tests/%s.c' % name, flags, 'c', None, True))
    if shutil.which('prlimit'):
        for name in ('test_tool', 'test_watch_wounds'):
            found.append(Program(name + '.asan', 'tests/%s.c' % name, [ON, ASAN], 'c', None, True))
    if sys.platform.startswith('linux'):
        library = ['examples/preload/preload.c', '-fPIC', '-shared', '-fno-builtin', '-ldl']
        found.append(Program('preload', library[0], library[1:], 'library', None, False))
        for name, source in (('family', 'tests/preload/family.c'),
                             ('standard', 'tests/preload/standard.cpp')):
            found.append(Program(name, source, [], 'plain', 'preload', False))
    return found


# Reads the number of the mutant, and maps the file of the marks. It is called before main, and
# before what memmgr.h does when it is loaded. What comes earlier runs the unchanged functions.
RUNTIME = r'''
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
static unsigned char nowhere[%d];
unsigned char *mutate_marks = nowhere;
int mutate_number;
__attribute__((constructor(100))) static void mutate_begin(void) {
    const char *number = getenv("MUTATE_NUMBER"), *name = getenv("MUTATE_MARKS");
    if (number) mutate_number = atoi(number);
    if (!name) return;
    int file = open(name, O_RDWR);
    void *marks = mmap(NULL, sizeof nowhere, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (marks != MAP_FAILED) mutate_marks = (unsigned char *)marks;
    close(file);
}
''' % MARKS

DECLARED = '''#ifdef __cplusplus
extern "C" unsigned char *mutate_marks;
extern "C" int mutate_number;
#else
extern unsigned char *mutate_marks;
extern int mutate_number;
#endif
'''


class Switched:
    """The header with all mutants of functions in it, and where each of them lies."""

    def __init__(self, header, mutants):
        self.header = header
        by_function = collections.defaultdict(list)
        for mutant in mutants:
            by_function[self.function_at(mutant.at)].append(mutant)
        parts, self.owner, self.line = [DECLARED], [], 1 + DECLARED.count('\n')
        at = 0
        for function in header.functions:
            first = header.tokens[function.first].at
            end = header.tokens[function.last].at + 1
            if first < header.implementation:
                continue
            self.put(parts, header.text[at:first])
            self.body(parts, function, first, end, by_function.get(first, []))
            at = end
        self.put(parts, header.text[at:])
        self.text = ''.join(parts)
        # Copies of inline functions in copies of their callers would be too many.
        self.text = self.text.replace(
            '#define MMI_INLINE __attribute__((unused, always_inline)) static inline',
            '#define MMI_INLINE __attribute__((unused)) static')

    def function_at(self, at):
        tokens = self.header.tokens
        for function in self.header.functions:
            if tokens[function.first].at <= at <= tokens[function.last].at:
                return tokens[function.first].at
        return None

    def put(self, parts, text, owner=None):
        parts.append(text)
        count = text.count('\n')
        if owner:
            self.owner.append((self.line, self.line + count, owner))
        self.line += count

    def body(self, parts, function, first, end, mutants):
        text = self.header.text
        if mutants:
            self.put(parts, '{\nswitch (mutate_number) {\n')
            for mutant in mutants:
                self.put(parts, 'case %d:\n' % mutant.number)
                self.put(parts, text[first:mutant.at] + mutant.new + text[mutant.end:end],
                         mutant.number)
                self.put(parts, '\nbreak;\n')
            self.put(parts, 'default:\n')
        at = first
        for offset, mark in function.marks:
            self.put(parts, '%s mutate_marks[%d] = 1; ' % (text[at:offset], mark))
            at = offset
        self.put(parts, text[at:end])
        if mutants:
            self.put(parts, '\nbreak;\n}\n}')

    def mutant_of_line(self, line):
        for first, last, number in self.owner:
            if first <= line <= last:
                return number
        return None


def quiet(command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding='utf-8', errors='replace', **options)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def copy_tree(to):
    """The tests, and what they include, beside a memmgr.h that can be changed."""
    shutil.rmtree(to, ignore_errors=True)
    for part in ('tests', 'examples'):
        shutil.copytree(os.path.join(ROOT, part), os.path.join(to, part))
    shutil.copy(os.path.join(ROOT, 'memmgr.h'), to)


def compile_command(program, tree, output, runtime):
    """With the switch, or of one mutant alone: then to be compiled quickly."""
    compiler = CXX if program.source.endswith('.cpp') else CC if runtime else QUICK_CC
    optimised = '-O1' if runtime else '-O0'
    standard = ['-std=c++17', '-fsized-deallocation'] if compiler is CXX else ['-std=gnu11']
    flags = [flag for flag in program.flags if not flag.startswith('-l')]
    libraries = [flag for flag in program.flags if flag.startswith('-l')]
    source = os.path.join(tree, program.source)
    command = compiler + standard + ['-w', optimised] + flags + ['-o', output, source]
    if runtime and program.compiler != 'plain':
        command += [runtime]
    return command + ['-pthread', '-ldl', '-rdynamic'] + libraries


Test = collections.namedtuple('Test', 'program name seconds cpu marks')


class Setup:
    """Everything that is built once: the switched programs, their tests, what these reach."""

    def __init__(self, header, mutants, jobs):
        self.header, self.jobs = header, jobs
        self.not_compiled = set()
        self.tests = []
        self.bin = os.path.join(OUT, 'bin')
        self.runtime = os.path.join(OUT, 'runtime.o')
        os.makedirs(self.bin, exist_ok=True)
        write(os.path.join(OUT, 'runtime.c'), RUNTIME)
        quiet(CC + ['-O1', '-fPIC', '-c', '-o', self.runtime, os.path.join(OUT, 'runtime.c')],
              check=True)
        copy_tree(TREE)
        self.switch(mutants)

    def switch(self, mutants):
        """Writes the header; mutants that do not compile in some setting are taken out."""
        noted = os.path.join(self.bin, 'not_compiled')
        first = None
        while True:
            switched = Switched(self.header, [m for m in mutants if m.mark is not None and
                                              m.number not in self.not_compiled])
            write(os.path.join(TREE, 'memmgr.h'), switched.text)
            digest = hashlib.sha256(switched.text.encode()).hexdigest()
            first = first or digest
            if os.path.exists(noted):
                with open(noted, encoding='utf-8') as file:
                    known = json.load(file)
                if known['first'] == first and not self.not_compiled:
                    self.not_compiled = set(known['numbers'])
                    continue
                if known['last'] == digest:
                    return
            wrong = set()
            with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
                for setting in pool.map(self.errors, SETTINGS):
                    wrong.update(switched.mutant_of_line(line) for line in setting)
            if None in wrong:
                sys.exit('mutate.py: the header with its switches does not compile')
            if not wrong:
                write(noted, json.dumps({'first': first, 'last': digest,
                                         'numbers': sorted(self.not_compiled)}))
                return
            self.not_compiled |= wrong

    def errors(self, setting):
        answer = quiet(CC + ['-std=gnu11', '-w', '-fsyntax-only', '-fmax-errors=0',
                             '-DMEMMGR_IMPLEMENTATION', '-x', 'c'] + setting +
                       [os.path.join(TREE, 'memmgr.h')])
        return [int(m.group(1)) for m in
                re.finditer(r'memmgr\.h:(\d+):\d+: (?:fatal )?error', answer.stdout)]

    def digest(self, program):
        """Of all that a program is made of: its source, and what that includes."""
        digest = hashlib.sha256(repr((CC, CXX, program, RUNTIME)).encode())
        names, seen = [os.path.join(TREE, program.source)], set()
        while names:
            name = os.path.normpath(names.pop())
            if name in seen or not os.path.exists(name):
                continue
            seen.add(name)
            with open(name, encoding='utf-8') as file:
                text = file.read()
            digest.update(text.encode())
            names += [os.path.join(os.path.dirname(name), included)
                      for included in re.findall(r'^ *# *include "([^"]+)"', text, re.M)]
        return digest.hexdigest()

    def build(self, program):
        """Builds a program, and notes its tests, if that was not done in an earlier run."""
        noted = os.path.join(self.bin, program.name + '.json')
        digest = self.digest(program)
        if os.path.exists(noted):
            with open(noted, encoding='utf-8') as file:
                known = json.load(file)
            if known['digest'] == digest:
                return known
            os.remove(noted)
        answer = quiet(compile_command(program, TREE, os.path.join(self.bin, program.name),
                                       self.runtime))
        if answer.returncode != 0:
            print('    %s does not compile\n%s' % (program.name, answer.stdout[:2000]))
            return None
        if program.name == 'family':
            quiet(CC + ['-w', '-DFAMILY_PLUGIN', '-fPIC', '-shared', '-o',
                        os.path.join(self.bin, program.name + PLUGIN),
                        os.path.join(TREE, program.source)], check=True)
        return {'digest': digest, 'tests': None}

    def add(self, wanted, workers):
        """Builds programs, and runs every test of the unchanged functions."""
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            known = list(pool.map(self.build, wanted))
            if None in known:
                sys.exit('mutate.py: a test program does not compile')
            for tests in pool.map(lambda pair: self.measured(workers, *pair), zip(wanted, known)):
                self.tests += tests

    def measured(self, workers, program, known):
        if known['tests'] is None:
            with workers.take() as worker:
                known['tests'] = [self.measure(worker, program, test)
                                  for test in self.list_tests(program)]
            write(os.path.join(self.bin, program.name + '.json'), json.dumps(known))
        for test in known['tests']:
            if test[1]:
                print('    left out: %s %s: %s' % (program.name, test[0], test[1]))
        return [Test(program, name, seconds, cpu, set(marks))
                for name, failure, seconds, cpu, marks in known['tests'] if not failure]

    def unreached(self, mutants):
        marks = set().union(*(test.marks for test in self.tests))
        return [m for m in mutants if m.mark is not None and m.mark not in marks and
                m.number not in self.not_compiled]

    def list_tests(self, program):
        if program.compiler == 'library':
            return []
        answer = quiet(start_of(program, self.bin) + ['--list'])
        names = [line for line in answer.stdout.split('\n') if re.fullmatch(r'\w+', line)]
        if names:
            return names
        # A program without a list: all of it, or nothing, if it says nothing.
        answer = quiet([os.path.join(self.bin, program.name)], env=environment())
        return [''] if answer.stdout.strip() else []

    def measure(self, worker, program, test):
        """How long the test takes, and what it reaches."""
        with open(worker.marks, 'wb') as file:
            file.write(b'\0' * MARKS)
        started = time.monotonic()
        failure = worker.run(self.bin, program, [test], 120, 0, worker.marks)
        seconds = time.monotonic() - started
        with open(worker.marks, 'rb') as file:
            marks = [i for i, mark in enumerate(file.read()) if mark]
        return test, failure, seconds, worker.cpu, marks


# --- Running tests -------------------------------------------------------------------------------

def environment():
    env = dict(os.environ, SEED='1', SCALE='2', NO_COLOR='1', ASAN_OPTIONS='detect_leaks=0')
    env.pop('MEMMGR_OPTIONS', None)
    return env


def start_of(program, folder):
    """How a program is run. The shadow of the address sanitizer counts as data."""
    limits = ['prlimit', '--data=unlimited'] if ASAN in program.flags else []
    return limits + [os.path.join(folder, program.name)]


def kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Worker:
    """A folder of its own for the tests that run one after the other in it."""

    def __init__(self, number):
        self.folder = os.path.join(OUT, 'run.%d' % number)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(os.path.join(self.folder, 'tmp'))
        self.marks = os.path.join(self.folder, 'marks')
        self.tree = os.path.join(OUT, 'own.%d' % number)
        self.own_bin = os.path.join(self.tree, 'bin')
        self.built = set()
        self.cpu = 0

    def failed(self):
        """The first test that failed in the last run, as far as it said so."""
        with open(os.path.join(self.folder, 'output'), encoding='utf-8', errors='replace') as file:
            test = ''
            for line in file:
                if re.match(r'  [a-z]\w+$', line):
                    test = line.strip()
                if line.startswith('    FAILED'):
                    break
        return test

    def run(self, folder, program, tests, limit, number, marks):
        """None when the tests passed; else what happened."""
        command = start_of(program, folder)
        env = environment()
        env['TMPDIR'] = os.path.join(self.folder, 'tmp')
        env['MUTATE_NUMBER'] = str(number)
        if marks:
            env['MUTATE_MARKS'] = marks
        if program.before:
            env['LD_PRELOAD'] = os.path.join(folder, program.before)
            command += ['memmgr'] if program.name == 'family' else []
        command += [test for test in tests if test]
        with open(os.path.join(self.folder, 'output'), 'wb') as output:
            process = subprocess.Popen(command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=output, start_new_session=True)
            timer = threading.Timer(limit, kill_group, [process.pid])
            timer.start()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = 0
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            status = 'no end' if killed else status
            timer.cancel()
            kill_group(process.pid)
        self.cpu = usage.ru_utime + usage.ru_stime
        if status == 0:
            return None
        return status if status == 'no end' else 'status %d' % status


class Workers:
    """As many as tests may run at a time."""

    def __init__(self, jobs):
        self.free = [Worker(i) for i in range(jobs)]
        self.lock = threading.Lock()

    def take(self):
        return self.Taken(self)

    class Taken:
        def __init__(self, workers):
            self.workers = workers

        def __enter__(self):
            with self.workers.lock:
                self.worker = self.workers.free.pop()
            return self.worker

        def __exit__(self, *_):
            with self.workers.lock:
                self.workers.free.append(self.worker)


def limit_for(seconds):
    return max(LEAST_SECONDS, 10 * seconds)


class Judge:
    """What becomes of a mutant: killed, survived, equivalent, or it does not compile."""

    def __init__(self, setup, workers):
        self.setup, self.workers, self.header = setup, workers, setup.header
        self.by_name = {program.name: program for program in programs()}
        self.plain_objects = {}
        self.killed_by = collections.Counter()
        self.lock = threading.Lock()

    def judge(self, mutant):
        if mutant.number in self.setup.not_compiled:
            return 'not compiled', ''
        with self.workers.take() as worker:
            if mutant.mark is None:
                verdict = self.judge_alone(worker, mutant)
            else:
                verdict = self.judge_switched(worker, mutant)
            if verdict[0] == 'survived' and self.is_equivalent(worker, mutant):
                verdict = 'equivalent', ''
        return verdict

    def tests_for(self, marks):
        """Those that reach it; the slow and the wide ones only where there are no others."""
        tests = [test for test in self.setup.tests if marks is None or test.marks & marks]
        quick = [test for test in tests if test.cpu < SLOW and not test.program.wide]
        return quick or tests

    def runs_of(self, tests):
        """Tests of a program run in one process: to start one takes longer than many a test. What
        is quick, and has killed others, comes first."""
        runs = collections.defaultdict(list)
        for test in tests:
            apart = test.name if test.program.before else ''
            runs[test.program.name, apart].append(test)
        return sorted(runs.values(), key=self.cost)

    def cost(self, run):
        return (sum(test.cpu for test in run) + .05) / (1 + self.killed_by[run[0].program.name])

    def judge_switched(self, worker, mutant):
        tests = self.tests_for({mutant.mark})
        if not tests:
            return 'survived', 'no test reaches it'
        for run in self.runs_of(tests):
            result = self.run(worker, self.setup.bin, run, 1, mutant.number)
            # Twice: a test that fails now and then has killed nobody.
            if result:
                slower = self.slowness(worker, run) if result == 'no end' else 1
                result = self.run(worker, self.setup.bin, run, slower, mutant.number)
            if result:
                self.killed_by[run[0].program.name] += 1
                return 'killed', '%s %s: %s' % (run[0].program.name, worker.failed(), result)
        return 'survived', '%d tests reach it' % len(tests)

    def slowness(self, worker, run):
        """How much longer the unchanged functions take now than when they were measured."""
        started = time.monotonic()
        self.run(worker, self.setup.bin, run, 100, 0)
        return max(1, (time.monotonic() - started) / sum(test.seconds for test in run))

    def run(self, worker, folder, run, slower, number):
        return worker.run(folder, run[0].program, [test.name for test in run],
                          limit_for(slower * sum(test.seconds for test in run)), number, None)

    def judge_alone(self, worker, mutant):
        """A constant outside of functions: the programs are compiled with it."""
        self.write_alone(worker, mutant)
        for setting in SETTINGS[:3]:
            if not self.object_code(worker.tree, setting, worker.folder, False):
                return 'not compiled', ''
        runs = self.runs_of(self.tests_for(self.marks_that_use(mutant)))
        for run in runs:
            result = self.build_alone(worker, run[0].program)
            result = result or self.run(worker, worker.own_bin, run, 3, 0)
            if result == 'no end':
                result = self.run(worker, worker.own_bin, run, 3 * self.slowness(worker, run), 0)
            if result:
                self.killed_by[run[0].program.name] += 1
                return 'killed', '%s %s: %s' % (run[0].program.name, worker.failed(), result)
        return 'survived', '%d programs reach it' % len(runs) if runs else 'no test reaches it'

    def build_alone(self, worker, program):
        """None, or what the compiler says."""
        os.makedirs(worker.own_bin, exist_ok=True)
        for name in (program.before, program.name):
            if not name or name in worker.built:
                continue
            output = os.path.join(worker.own_bin, name)
            worker.built.add(name)
            if self.by_name[name].compiler == 'plain':
                for end in ('', PLUGIN) if name == 'family' else ('',):
                    shutil.copy(os.path.join(self.setup.bin, name + end), output + end)
                continue
            answer = quiet(compile_command(self.by_name[name], worker.tree, output, None))
            if answer.returncode != 0:
                return 'does not compile: ' + answer.stdout[:200]
        return None

    def write_alone(self, worker, mutant):
        if not os.path.isdir(worker.tree):
            copy_tree(worker.tree)
        worker.built = set()
        text = self.header.text
        write(os.path.join(worker.tree, 'memmgr.h'),
              text[:mutant.at] + mutant.new + text[mutant.end:])

    def marks_that_use(self, mutant):
        """The marks of all functions in which the constant, or a macro made of it, stands."""
        header = self.header
        line = header.text[:mutant.at].rfind('\n#')
        defined = re.match(r'#\s*define\s+(\w+)', header.text[line + 1:])
        if mutant.mark is None and defined and header.line_of(line + 1) >= mutant.line - 3 \
                and header.text[line + 1:mutant.at].count('\n') == \
                header.text[line + 1:mutant.at].count('\\\n'):
            names = {defined.group(1)}
        else:
            names = set(re.findall(r'\b[A-Z]\w+|\bmm\w+', mutant.text))
        macros = [t for t in header.tokens if t.kind == 'hash' and t.text.startswith('#define')]
        grown = True
        while grown:
            grown = False
            for macro in macros:
                name = re.match(r'#define\s+(\w+)', macro.text).group(1)
                if name not in names and names & set(re.findall(r'\w+', macro.text)):
                    names.add(name)
                    grown = True
        outside = {header.tokens[i].text for i in header.between
                   if header.tokens[i].kind == 'name' and
                   header.line_of(header.tokens[i].at) != mutant.line}
        if names & outside:
            return None            # in a type, or a table: everything may use it
        marks = set()
        for function in header.functions:
            body = ' '.join(t.text for t in header.tokens[function.first:function.last])
            if names & set(re.findall(r'\w+', body)): # of directives, too
                marks.update(mark for _, mark in function.marks)
        return marks

    def object_code(self, tree, setting, folder, optimised):
        """What the compiler makes of the header in one setting; None if it makes nothing."""
        output = os.path.join(folder, 'code.s')
        # With the switch off the calls are inline, and would be left out.
        keep = [] if ON in setting else ['-fkeep-inline-functions']
        how = ['-O2', '-S', '-g0'] + keep if optimised else ['-fsyntax-only']
        answer = quiet((CC if optimised else QUICK_CC) +
                       ['-std=gnu11', '-w', '-DMEMMGR_IMPLEMENTATION'] + how + setting +
                       ['-x', 'c', '-o', output, os.path.join(tree, 'memmgr.h')])
        if answer.returncode != 0:
            return None
        if not optimised:
            return 'compiles'
        with open(output, encoding='utf-8') as file:
            # Without the names of files, which are also beside instructions written by hand.
            return re.sub(r'(\t\.(file|ident)|# [0-9]+ ")[^\n]*\n', '', file.read())

    def is_equivalent(self, worker, mutant):
        self.write_alone(worker, mutant)
        compiled = [setting for setting, lines in zip(SETTINGS, self.header.active)
                    if mutant.mark is None or mutant.line in lines]
        for setting in (compiled or SETTINGS)[:EQUIVALENT_IN]:
            key = ' '.join(setting)
            with self.lock:
                plain = self.plain_objects.get(key)
            if plain is None:
                plain = self.object_code(ROOT, setting, worker.folder, True)
                self.plain_objects[key] = plain
            if self.object_code(worker.tree, setting, worker.folder, True) != plain:
                return False
        return True


# --- Which mutants -------------------------------------------------------------------------------

def active_lines(header, setting):
    """Lines of the header that are compiled in a setting."""
    active = set()
    answer = quiet(CC + ['-std=gnu11', '-E', '-DMEMMGR_IMPLEMENTATION', '-x', 'c'] + setting +
                   [os.path.join(ROOT, 'memmgr.h')])
    line, here = 0, False
    for text in answer.stdout.split('\n'):
        match = re.match(r'# (\d+) "([^"]*)"', text)
        if match:
            line, here = int(match.group(1)), match.group(2).endswith('memmgr.h')
            continue
        if here and text.strip():
            active.add(line)
        line += 1
    return active


def active_macros(header):
    """Names that are defined in one of the settings, with their values."""
    found = set()
    for setting in SETTINGS:
        answer = quiet(CC + ['-std=gnu11', '-E', '-dD', '-DMEMMGR_IMPLEMENTATION', '-x', 'c'] +
                       setting + [os.path.join(ROOT, 'memmgr.h')])
        line, here = 0, False
        for text in answer.stdout.split('\n'):
            match = re.match(r'# (\d+) "([^"]*)"', text)
            if match:
                line, here = int(match.group(1)), match.group(2).endswith('memmgr.h')
                continue
            if here and text.startswith('#define'):
                found.add(line)
            line += 1
    return found


def compiled_only(header, mutants):
    """Without what lies in parts for other systems and compilers."""
    header.active = [active_lines(header, setting) for setting in SETTINGS]
    lines, macros = set().union(*header.active), active_macros(header)
    starts = {}                    # line: the line where its statement, or its macro, begins
    for token in header.tokens:
        first = header.line_of(token.at)
        for line in range(first, first + token.text.count('\n') + 1):
            if token.kind == 'hash':
                starts[line] = first
    return [m for m in mutants if m.line in lines or starts.get(m.line, 0) in macros
            or is_continued(header, m.line, lines)]


def is_continued(header, line, lines):
    """A line within a macro's arguments is not on its own line any more when it is compiled."""
    for before in range(line - 1, max(line - 6, 0), -1):
        text = header.lines[before - 1]
        if re.search(r'[;{}]\s*(//.*)?$', text) or text.startswith('#'):
            return False
        if before in lines:
            return True
    return False


def rank(mutant, seed):
    """The order in which a seed takes mutants: it does not change with the rest of the file."""
    text = '%s|%s|%s|%s' % (seed, mutant.function, mutant.text, mutant.change)
    return hashlib.sha256(text.encode()).hexdigest()


def sample_of(mutants, count, seed):
    """Of each room as large a part as of the whole, and at least three."""
    rooms = collections.defaultdict(list)
    for mutant in mutants:
        rooms[mutant.room].append(mutant)
    chosen = []
    for members in rooms.values():
        members.sort(key=lambda m: rank(m, seed))
        chosen += members[:max(3, round(count * len(members) / len(mutants)))]
    return sorted(chosen, key=lambda m: m.number)


# --- The explained survivors ---------------------------------------------------------------------

class Explained:
    """mutants.txt: a function, a line of it, a change with its reason, each further indented."""

    def __init__(self, path, mutants):
        self.reasons, self.wrong = {}, []
        known = {(m.function, m.text, m.change) for m in mutants}
        function = line = None
        if not os.path.exists(path):
            return
        with open(path, encoding='utf-8') as file:
            for number, raw in enumerate(file, 1):
                text = raw.strip()
                depth = len(raw) - len(raw.lstrip(' '))
                if not text or raw.startswith('#'):
                    continue
                if depth == 0:
                    function = text
                elif depth == 4:
                    line = text
                elif depth == 8 and ': ' in text:
                    change, reason = text.split(': ', 1)
                    key = (function, line, change)
                    if key not in known:
                        self.wrong.append('mutants.txt:%d: no such mutant any more' % number)
                    self.reasons[key] = reason
                else:
                    self.wrong.append('mutants.txt:%d: not understood' % number)

    def reason(self, mutant):
        return self.reasons.get((mutant.function, mutant.text, mutant.change))


# --- Results that are kept -----------------------------------------------------------------------

class Results:
    """A line for each mutant that was judged, under the digest of all that it depends on."""

    def __init__(self, fresh, trust):
        digest = hashlib.sha256()
        for folder, _, names in sorted(os.walk(os.path.join(ROOT, 'tests'))):
            for name in sorted(names):
                if name.endswith(('.c', '.h', '.cpp')):
                    with open(os.path.join(folder, name), 'rb') as file:
                        digest.update(file.read())
        with open(os.path.join(ROOT, 'memmgr.h'), 'rb') as file:
            header = hashlib.sha256(file.read()).hexdigest()
        self.digest, self.header_digest = digest.hexdigest(), header
        self.path = os.path.join(OUT, 'results')
        self.known = {}
        self.old = set()           # survivors of other tests: to be judged again, last of all
        self.lock = threading.Lock()
        if fresh or not os.path.exists(self.path):
            return
        with open(self.path, encoding='utf-8') as file:
            for line in file:
                entry = json.loads(line)
                same = entry['tests'] == self.digest or (trust and entry['verdict'] != 'survived')
                if entry['header'] == self.header_digest and same:
                    self.known[tuple(entry['key'])] = entry['verdict'], entry['detail']
                elif entry['header'] == self.header_digest:
                    self.old.add(tuple(entry['key']))

    @staticmethod
    def key(mutant):
        return mutant.function, mutant.text, mutant.change, str(mutant.line)

    def add(self, mutant, verdict, detail):
        entry = {'key': self.key(mutant), 'verdict': verdict, 'detail': detail,
                 'header': self.header_digest, 'tests': self.digest}
        with self.lock:
            self.known[self.key(mutant)] = verdict, detail
            with open(self.path, 'a', encoding='utf-8') as file:
                file.write(json.dumps(entry) + '\n')


# --- The whole -----------------------------------------------------------------------------------

def show(mutant):
    return '%5d memmgr.h:%d %s: %s  [%s]' % (mutant.number, mutant.line, mutant.function,
                                             mutant.change, mutant.text)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0],
                                     epilog='See the beginning of the file.')
    parser.add_argument('--list', action='store_true', help='list the mutants, run nothing')
    parser.add_argument('--only', help='numbers, with commas between them')
    parser.add_argument('--rooms', help='only these rooms, with commas between them')
    parser.add_argument('--sample', type=int, default=SAMPLE)
    parser.add_argument('--seed', default='1')
    parser.add_argument('--all', action='store_true', help='no sample: every mutant')
    parser.add_argument('--jobs', type=int, default=int(os.environ.get('JOBS', '2')))
    parser.add_argument('--fresh', action='store_true', help='forget the results of earlier runs')
    parser.add_argument('--trust', action='store_true',
                        help='what was killed is killed, though tests have changed since')
    return parser.parse_args()


def choose(options, mutants):
    if options.only:
        numbers = {int(number) for number in options.only.split(',')}
        return [m for m in mutants if m.number in numbers]
    if options.rooms:
        rooms = options.rooms.split(',')
        mutants = [m for m in mutants if m.room in rooms]
    if options.all:
        return mutants
    chosen = sample_of(mutants, options.sample, options.seed)
    if os.environ.get('SHORT') == '1':
        chosen = sorted(chosen, key=lambda m: rank(m, 'short'))[:SHORT_SAMPLE]
    return chosen


def judge_all(options, header, chosen, explained, results):
    missing = [m for m in chosen if Results.key(m) not in results.known]
    missing.sort(key=lambda m: (explained.reason(m) is not None, Results.key(m) in results.old))
    if not missing:
        return
    started = time.monotonic()
    setup = Setup(header, chosen, options.jobs)
    workers = Workers(options.jobs)
    setup.add([p for p in programs() if not p.wide], workers)
    print('    %d tests take %.0f s; ready after %.0f s' % (
        len(setup.tests), sum(test.cpu for test in setup.tests), time.monotonic() - started),
          flush=True)
    judge = Judge(setup, workers)

    def one(mutant):
        verdict, detail = judge.judge(mutant)
        results.add(mutant, verdict, detail)
        if verdict == 'survived' or options.only:
            print('    %s: %s, %s' % (show(mutant), verdict, detail), flush=True)

    def several(mutants):
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(one, mutants))

    unreached = setup.unreached(missing)
    several(m for m in missing if m not in unreached)
    if unreached:
        setup.add([p for p in programs() if p.wide], workers)
        several(unreached)
    print('    judged after %.0f s' % (time.monotonic() - started), flush=True)


def tell(header, chosen, explained, results):
    counts = collections.defaultdict(collections.Counter)
    for wrong in explained.wrong:
        print('    ' + wrong)
    stale = 0
    for mutant in chosen:
        verdict, detail = results.known[Results.key(mutant)]
        reason = explained.reason(mutant)
        if verdict == 'survived':
            verdict = 'explained' if reason else 'survived'
            print('    %s: %s' % (show(mutant), 'explained: ' + reason if reason else detail))
        elif reason:
            print('    %s: %s, and yet explained in mutants.txt' % (show(mutant), verdict))
            stale += 1
        counts[mutant.room][verdict] += 1
    total = collections.Counter()
    for _, room in header.rooms:
        if room in counts:
            of = counts[room]
            total.update(of)
            print('  %-12s %s' % (room, row(of)))
    killed, survived = total['killed'], total['survived'] + total['explained']
    counted = killed + survived
    percent = 100 * killed / counted if counted else 100
    reasonable = 100 * killed / (counted - total['explained']) if killed else 100
    print('    %d mutants, %d do not compile, %d equivalent by object code; of %d others '
          '%d killed: %.1f %%; without the %d explained %.1f %%' % (
              len(chosen), total['not compiled'], total['equivalent'], counted, killed, percent,
              total['explained'], reasonable))
    too_few = percent < LEAST_KILLED and len(chosen) > 100
    if too_few:
        print('    less than %d %% killed' % LEAST_KILLED)
    failed = total['survived'] + len(explained.wrong) + stale + too_few
    print('%d passed, %d failed' % (killed + total['explained'], failed))
    return failed == 0


def row(of):
    return '%d passed, %d failed' % (of['killed'] + of['explained'], of['survived']) + (
        '  (%d killed, %d explained, %d equivalent, %d not compiled)' % (
            of['killed'], of['explained'], of['equivalent'], of['not compiled']))


def main():
    options = arguments()
    os.makedirs(OUT, exist_ok=True)
    for what, limit in ((resource.RLIMIT_DATA, DATA_LIMIT), (resource.RLIMIT_FSIZE, FILE_LIMIT),
                        (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (limit, resource.getrlimit(what)[1]))
    header = Header(os.path.join(ROOT, 'memmgr.h'))
    if header.mark_count > MARKS:
        sys.exit('mutate.py: MARKS is too small')
    mutants = compiled_only(header, header.mutants())
    chosen = choose(options, mutants)
    if options.list:
        for mutant in chosen if options.only or options.rooms else mutants:
            print(show(mutant))
        return 0
    print('    %d mutants of %d, seed %s' % (len(chosen), len(mutants), options.seed), flush=True)
    results = Results(options.fresh, options.trust)
    explained = Explained(os.path.join(ROOT, 'tests', 'mutants.txt'), mutants)
    judge_all(options, header, chosen, explained, results)
    return 0 if tell(header, chosen, explained, results) else 1


if __name__ == '__main__':
    sys.exit(main())
