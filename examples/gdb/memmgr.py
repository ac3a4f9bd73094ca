# memmgr.py: pools and the general heap of memmgr.h as gdb sees them, in a process or a core file.
#
#     (gdb) source examples/gdb/memmgr.py
#     (gdb) memmgr help
#
# The program is to be compiled with -g and USE_MEMORY_MGR. None of its functions is called, and
# nothing is written. Offsets and sizes come from its debug information; constants that are macros
# in memmgr.h are repeated here, each with the room of the header that it comes from.

import functools
import re
import struct

import gdb

GRANULE, ENTRY_GRANULES = 16, 64            # >>layout
SPAN_SHIFT, SPAN_LIVE, SPAN_FREE = 3, 5, 2  # >>layout
MAGICS = (0x6D656D67, 0x6D656D68, 0x6D656D69)  # >>layout: MMI_MAGIC_...
UNIT, SIZES = 1 << 16, 40                   # >>layout: bytes of a slab, sizes of blocks
STATE_FREE, STATE_CACHED, STATE_REMOTE = 0, 1, 2  # >>layout
FLAGS = 'LOCKED FILL GUARD TRACK GROW EAGER QUARANTINE'.split()  # >>types: bit 0 first
WATCHED = sum(1 << FLAGS.index(name) for name in ('GUARD', 'TRACK', 'QUARANTINE'))
RECORD_LIVE, RECORD_FREED, RECORD_QUARANTINED = 0x51AE, 0xA659, 0x3CC3  # >>layout
GUARD, GUARD_BYTE, FREED_BYTE = 16, 0xFD, 0xDD                     # >>layout
COLUMNS, ROWS, TONES = 64, 24, 7            # >>draw

HELP = '''memmgr pool POOL            statistics and a map of a pool (any expression that is a pool)
memmgr heap                 the general calls: arenas, slabs by size, heaps, and a map
memmgr where ADDRESS [POOL] what a pointer is, and what freeing it would be. Without POOL: in the
                            general heap, in pools that global or static variables point to, and
                            in those that "memmgr pool" has shown
memmgr leaks [POOL]         live blocks, of the general calls or a pool: by the place that made
                            them where they are tracked, else by size
memmgr help                 this list
'''

ALL = (1 << ENTRY_GRANULES) - 1
LIVE, KEPT, FREE = 'a live block', 'a block kept by its class', 'free memory'
QUARANTINED, QUARANTINE = 'a block in quarantine', "memmgr's list of blocks in quarantine"
SLAB_STATES = {STATE_FREE: 'a free block of a slab',
               STATE_CACHED: "a block cached on a thread's stack",
               STATE_REMOTE: 'a block freed by another thread and not collected'}
shown_pools = []  # addresses that `memmgr pool` was asked about
variables_of = {}  # names of pools, by what files are loaded
order = 'little'  # of the bytes of a number: looked up for each command

def fail(text):
    raise gdb.GdbError('memmgr: ' + text)

# --- Memory and types of the program ------------------------------------------------------------

def read(address, size):
    try:
        return gdb.selected_inferior().read_memory(address, size).tobytes()
    except (gdb.error, OverflowError, MemoryError):
        fail('%d bytes at 0x%x cannot be read' % (size, address))

def byte_order():
    return 'big' if 'big' in gdb.execute('show endian', to_string=True) else 'little'

@functools.lru_cache(None)
def type_of(name, needed=True):
    for spelling in (name, 'struct ' + name):
        try:
            return gdb.lookup_type(spelling).strip_typedefs()
        except gdb.error:
            pass
    if needed:
        fail('no debug information about %s: compile with -g, and memmgr.h with '
             'USE_MEMORY_MGR' % name)
    return None

class Struct:
    """A struct of the program, read at once. Its fields are numbers, Structs and lists of them."""

    def __init__(self, kind, address, data=None):
        self.kind, self.address = kind, address
        self.data = read(address, kind.sizeof) if data is None else data

    def __getattr__(self, name):
        try:
            field = self.kind[name]
        except KeyError:
            fail('%s has no field "%s": this script is for another version of memmgr.h, or the '
                 'program was compiled without USE_MEMORY_MGR' % (self.kind, name))
        at = field.bitpos // 8
        return decode(field.type.strip_typedefs(), self.address + at, self.data[at:])

def decode(kind, address, data):
    if kind.code == gdb.TYPE_CODE_STRUCT:
        return Struct(kind, address, data)
    if kind.code == gdb.TYPE_CODE_ARRAY:
        item = kind.target().strip_typedefs()
        return [decode(item, address + at, data[at:]) for at in range(0, kind.sizeof, item.sizeof)]
    return int.from_bytes(data[:kind.sizeof], order)

def row_of(kind, address, count):
    """A row of structs, read at once."""
    data, size = read(address, count * kind.sizeof) if count else b'', kind.sizeof
    return [Struct(kind, address + at, data[at:at + size]) for at in range(0, len(data), size)]

def text_at(address, limit=200):
    data = b''
    while b'\0' not in data and len(data) < limit:
        step = 16 - (address + len(data)) % 16  # never over the end of a page
        data += read(address + len(data), step)
    data = data.split(b'\0')[0][:limit]
    return ''.join(chr(byte) if 32 <= byte < 127 else '?' for byte in data)

def variable(name):
    """A variable's value; None where there is none, or the compiler left nothing of it."""
    try:
        value = gdb.parse_and_eval(name)
        return None if value.is_optimized_out else value
    except gdb.error:
        return None

def address_of(expression):
    value = gdb.parse_and_eval(expression)
    if value.type.strip_typedefs().code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_ARRAY):
        value = value.address
    return int(value) & ((1 << 8 * type_of('memmgr_pool').pointer().sizeof) - 1)

# --- Pools: >>map, >>segment, >>pool --------------------------------------------------------------

class Map:
    """The map of a segment, read piece by piece: most of a large one may never have been used."""

    PIECE = 4096  # entries

    def __init__(self, address, entries, where):
        kind = type_of('mmi_entry')
        self.address, self.entries, self.where, self.pieces = address, entries, where, {}
        self.start, self.used = (kind[name].bitpos // 64 for name in ('start', 'used'))
        self.words = struct.Struct('<QQ' if order == 'little' else '>QQ')
        if self.entry(entries) != (1, ALL):
            self.damaged('the end of the map is not marked')

    def damaged(self, what):
        fail('%s is damaged: %s' % (self.where, what))

    def piece(self, number):
        if number not in self.pieces:
            first = number * self.PIECE
            size = min(self.PIECE, self.entries + 1 - first) * self.words.size
            self.pieces[number] = read(self.address + first * self.words.size, size)
        return self.pieces[number]

    def entry(self, i):
        if i > self.entries:
            self.damaged('a block or run goes on behind the last granule')
        pair = self.words.unpack_from(self.piece(i // self.PIECE), i % self.PIECE * self.words.size)
        return pair[self.start], pair[self.used]

    def last_start(self, granule):
        """The last granule up to this one that a block starts at; 0 for none."""
        i, bit = divmod(granule, ENTRY_GRANULES)
        starts = self.entry(i)[0] & (2 << bit) - 1
        while not starts and i > 0:
            number, within = divmod(i - 1, self.PIECE)
            rest = self.piece(number)[:(within + 1) * self.words.size].rstrip(b'\0')
            i = number * self.PIECE + max(0, len(rest) - 1) // self.words.size
            starts = self.entry(i)[0]
        return i * ENTRY_GRANULES + max(0, starts.bit_length() - 1)

    def span(self, i):
        """The mark in an entry: SPAN_LIVE or SPAN_FREE and how many entries; (0, 1) for none."""
        start, used = self.entry(i)
        if start or used & 7 not in (SPAN_LIVE, SPAN_FREE):
            return 0, 1
        if not 2 <= used >> SPAN_SHIFT <= self.entries:
            self.damaged('a span of %d entries' % (used >> SPAN_SHIFT))
        return used & 7, used >> SPAN_SHIFT

    def taken(self, i):
        start, used = self.entry(i)
        return 0 if self.span(i)[0] == SPAN_FREE else start | used

    def ends(self, i):
        start, used = self.entry(i)
        return (start | ~used) & ALL

    def block_end(self, block):
        i, bit = divmod(block, ENTRY_GRANULES)
        ends = self.ends(i) >> bit >> 1
        if ends:
            return block + 1 + lowest(ends)
        i += 1
        kind, entries = self.span(i)
        i += entries if kind == SPAN_LIVE else 0
        while not self.ends(i):
            i += 1
        return i * ENTRY_GRANULES + lowest(self.ends(i))

    def run_end(self, granule):
        i, bit = divmod(granule, ENTRY_GRANULES)
        if self.taken(i) >> bit:
            return granule + lowest(self.taken(i) >> bit)
        i += bit != 0
        while not self.taken(i):
            i += self.span(i)[1]
        return i * ENTRY_GRANULES + lowest(self.taken(i))

    def item(self, start):
        """(kind, end) of the block or run that starts at a granule."""
        end = self.run_end(start)
        if end > start:
            return FREE, end
        i, bit = divmod(start, ENTRY_GRANULES)
        starts, used = self.entry(i)
        if not starts >> bit & 1:
            self.damaged('granule %d is in a block that has no start' % start)
        return LIVE if used >> bit & 1 else KEPT, self.block_end(start)

def lowest(bits):
    return (bits & -bits).bit_length() - 1

class Block:
    """A stretch of memory that is one thing: a block or a run, of a pool or of a slab."""

    def __init__(self, kind, start, size, data=None):
        self.kind, self.start, self.size, self.live = kind, start, size, kind == LIVE
        self.data = data  # its bytes, where they have been read
        self.record, self.overwritten, self.overhead, self.before = None, False, 0, 0

class Segment:
    def __init__(self, address, where):
        header = Struct(type_of('mmi_segment'), address)
        entry = type_of('mmi_entry').sizeof
        self.address, self.size, self.count = address, header.size, header.granule_count
        self.granules = address + header.granules_offset
        if (header.entry_count != -(-self.count // ENTRY_GRANULES)
                or header.granules_offset != header.map_offset + (header.entry_count + 1) * entry
                or header.granules_offset + self.count * GRANULE > self.size):
            fail('%s is damaged: its segment at 0x%x has no valid header' % (where, address))
        self.map = Map(address + header.map_offset, header.entry_count, where)

    def block(self, start):
        """The block or run that starts at a granule, and the granule behind it."""
        kind, end = self.map.item(start)
        if end > self.count:
            self.map.damaged('a block or run goes on behind the last granule')
        return Block(kind, self.granules + start * GRANULE, (end - start) * GRANULE), end

    def block_around(self, granule):
        block, end = self.block(self.map.last_start(granule))
        return (block, end) if end > granule else self.block(end)

    def walk(self, end=None):
        """Every block and run in address order; a run that goes on behind `end` ends there."""
        at, end = 0, self.count if end is None else end
        while at < end:
            block, at = self.block(at)
            if at > end and block.kind == FREE:
                block.size -= (at - end) * GRANULE
            yield block

def first_segment(pool):
    return pool + -(-type_of('memmgr_pool').sizeof // GRANULE) * GRANULE

class Pool:
    def __init__(self, address):
        kind = type_of('memmgr_pool')
        pointer = kind.pointer().sizeof
        self.address, self.header = address, Struct(kind, address)
        count, table = self.header.segment_count, self.header.segments
        if self.header.magic not in MAGICS:
            fail('there is no living pool at 0x%x' % address)
        self.flags = self.header.desc.flags
        self.name = text_at(self.header.desc.name, 24)
        self.title = 'pool "%s" (0x%x)' % (self.name, address)
        if (count > 1) != (table != 0) or not 1 <= count <= max(1, self.header.segment_room):
            fail('%s is damaged: %d segments' % (self.title, count))
        places = [first_segment(address)]
        if table:
            data = read(table, count * pointer)
            places = [int.from_bytes(data[at:at + pointer], order)
                      for at in range(0, len(data), pointer)]
        self.segments = [Segment(place, self.title) for place in places]

    def segment_of(self, address):
        if self.address <= address < first_segment(self.address):
            address = first_segment(self.address)
        for segment in self.segments:
            if segment.address <= address < segment.address + segment.size:
                return segment
        return None

    def walk(self):
        for segment in self.segments:
            yield from segment.walk()

# --- The general calls: >>slab, >>arena, >>large, >>heap, or >>single -----------------------------

def slab_size(index):
    if index < 8:
        return (index + 1) * GRANULE
    return (5 + (index & 3)) << ((index - 8 >> 2) + 5)

class Heap:
    def __init__(self):
        self.arenas, self.heaps, self.large, self.touched = [], [], None, None
        single = variable('mmi_heap_pool')
        if single is not None:
            self.large = Pool(int(single)) if int(single) else None
            return
        names = 'mmi_arenas', 'mmi_arena_all', 'mmi_large', 'mmi_heap_all'
        arenas, every, large, heaps = map(variable, names)
        if arenas is None or every is None or large is None or heaps is None:
            fail('no debug information about the general calls: compile with -g, and memmgr.h with '
                 'USE_MEMORY_MGR')
        self.arenas = [Struct(type_of('mmi_arena'), int(arenas[place]))
                       for place in range(int(every['count']))]
        self.idle = int(every['idle']['count']), int(every['clean']['count'])
        if int(large['pool']):
            self.large, self.touched = Pool(int(large['pool'])), int(large['touched'])
        heap = int(heaps['all'])
        while heap:
            self.heaps.append(Struct(type_of('mmi_heap'), heap))
            heap = self.heaps[-1].next
            if len(self.heaps) > 1000000:
                fail('the list of heaps is damaged')

    def units(self):
        """The descriptor of every unit that was ever used."""
        for arena in self.arenas:
            yield from row_of(type_of('mmi_slab'), arena.units, arena.fresh)

    def unit_of(self, address):
        for arena in self.arenas:
            number = (address - arena.base) // UNIT
            if 0 <= number < arena.fresh:
                kind = type_of('mmi_slab')
                return Struct(kind, arena.units + number * kind.sizeof)
        return None

    def large_walk(self):
        for segment in self.large.segments if self.large else ():
            yield from segment.walk(self.touched if segment is self.large.segments[0] else None)

    def walk(self):
        """Every raw block as memmgr_walk goes: in a slab what is not live in a row as one."""
        for unit in self.units():
            if not unit.owner:
                yield Block(FREE, unit.start, UNIT)
                continue
            size, states = slab_states(unit)
            data = read(unit.start, UNIT) if unit.live in states else b''
            lives = bytes(state == unit.live for state in states)
            for row in re.finditer(b'\1|\0+', lives):
                at, end = row.start() * size, row.end() * size
                kind = LIVE if row.group() == b'\1' else FREE
                yield Block(kind, unit.start + at, end - at, data[at:end])
        yield from self.large_walk()

def slab_states(unit):
    """A slab's block size and the states of its blocks."""
    if unit.size_index >= SIZES or unit.count != UNIT // slab_size(unit.size_index):
        fail('the descriptor of the slab at 0x%x is damaged' % unit.start)
    return slab_size(unit.size_index), read(unit.states, unit.count)

def slab_block(unit, number):
    size, states = slab_states(unit)
    state = states[number]
    kind = LIVE if state == unit.live else SLAB_STATES.get(state, 'a block of no valid state')
    return Block(kind, unit.start + number * size, size)

# --- Watched blocks: >>record ---------------------------------------------------------------------

def record_sum(record):
    """What `check` is in a record that nobody has overwritten."""
    number = (record.file + (record.line << 32)) * 0x9E3779B97F4A7C15
    number += (record.freed_file + (record.freed_line << 32)) * 0xD6E8FEB86659FD93
    number += record.requested * 0xC2B2AE3D27D4EB4F + record.serial * 0x165667B19E3779F9
    number += record.address + (record.lost << 8) + record.shift
    number &= (1 << 64) - 1
    return number >> 32 ^ number & 0xFFFFFFFF

def watch(block, pool=None):
    """From a raw block what the program has of it, with its record if it is a watched one."""
    kind = type_of('mmi_record', needed=False)
    if not kind or block.kind == FREE or block.size < kind.sizeof + GUARD:
        return block
    if block.start == (pool.header.quarantine if pool else general_quarantine()):
        return Block(QUARANTINE, block.start, block.size)
    record = Struct(kind, block.start, block.data)
    front = -(-kind.sizeof // GRANULE) * GRANULE + GUARD
    known = record.state in (RECORD_LIVE, RECORD_FREED, RECORD_QUARANTINED)
    if known and record.shift < 64 and record.check == record_sum(record):
        front = -(-front >> record.shift) << record.shift if record.shift > 4 else front
        name = QUARANTINED if block.live and record.state != RECORD_LIVE else block.kind
        watched = Block(name, block.start + front, record.requested)
        watched.record, watched.overhead = record, block.size - record.requested
        watched.before = front
        return watched
    if block.live and pool and pool.flags & WATCHED:
        watched = Block(LIVE, block.start + front, block.size - front)
        watched.overwritten = True
        return watched
    return block

@functools.lru_cache(None)
def general_quarantine():
    general = variable('mmi_watch_general')
    return int(general['quarantine']) if general is not None else None

def site(file, line):
    if not file:
        return 'not known'
    if line:
        return '%s:%d' % (text_at(file), line)
    found = gdb.find_pc_line(file)
    if found.symtab:
        return '%s:%d' % (found.symtab.filename, found.line)
    return gdb.execute('info symbol 0x%x' % file, to_string=True).strip()

def first_change(block):
    """The first byte of the guards, or of a block in quarantine, that was changed, counted from the
    block's start; None: there is none."""
    guard, size = bytes([GUARD_BYTE]) * GUARD, block.size
    parts = [(-GUARD, guard)] if block.record.lost else [(-GUARD, guard), (size, guard)]
    if block.kind == QUARANTINED:
        parts.append((0, bytes([FREED_BYTE]) * size))
    for at, wanted in sorted(parts):
        found = read(block.start + at, len(wanted))
        for i, byte in enumerate(found if found != wanted else b''):
            if byte != wanted[i]:
                return at + i
    return None

# --- Pictures: >>text, >>draw ---------------------------------------------------------------------

def share(part, whole, scale):
    return (scale if whole else 0) if part >= whole else part * scale // whole

def human(size):
    unit, rest = 0, 0
    while size >= 1024:
        size, rest, unit = size // 1024, size % 1024, unit + 1
    tenth = '.%d' % (rest * 10 // 1024) if rest * 10 >= 1024 else ''
    return '%d%s %s' % (size, tenth, ('B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB')[unit])

def many(count, noun):
    return '%d %s%s' % (count, noun, '' if count == 1 else 's')

class Picture:
    """The map of memmgr_pool_print, drawn in the same way: of blocks as watch() gives them, or the
    raw ones where the record was overwritten."""

    def __init__(self, raws, blocks):
        blocks = [raw if block.overwritten else block
                  for raw, block in zip(raws, blocks) if block.kind != QUARANTINE]
        self.cell, total = GRANULE, sum(block.size + block.overhead for block in blocks)
        while total and (total - 1) // self.cell >= COLUMNS * ROWS:
            self.cell *= 2
        self.rows, self.glyphs = [], ''
        self.next, self.starts = 0, False
        self.clear()
        for block in blocks:
            self.pour_block(block)
        if self.filled:
            self.end_cell()
        self.end_row()

    def clear(self):
        self.filled, self.slack, self.tones = 0, 0, [0] * TONES

    def pour_block(self, block):
        self.next = block.start - block.before
        if not block.live:
            return self.pour(block.size + block.overhead, None)
        self.pour(block.before, TONES)
        self.starts = True
        self.pour(block.size, min(TONES - 1, ((block.size - 1) // 64).bit_length() + 1 >> 1))
        return self.pour(block.overhead - block.before, TONES)

    def pour(self, size, look):
        """So many bytes of a tone, of slack (TONES), or free (None)."""
        while size:
            if not self.filled:
                self.address = self.next
            part = min(self.cell - self.filled, size)
            self.filled, self.next, size = self.filled + part, self.next + part, size - part
            if look == TONES:
                self.slack += part
            elif look is not None:
                self.tones[look] += part
            if self.filled == self.cell:
                self.end_cell()

    def end_cell(self):
        live, tone = sum(self.tones), self.tones.index(max(self.tones))
        full = 2 * (live + self.slack) >= self.filled
        glyph = '=' if full else '-'
        if not live + self.slack:
            glyph = '.'
        elif self.slack // 3 >= live:
            glyph = '~'
        elif self.starts:
            glyph = chr(ord('A' if full else 'a') + tone)
        self.starts = self.starts and glyph in '.~'
        if not self.glyphs:
            digits = min(12, 2 * type_of('memmgr_pool').pointer().sizeof)
            self.row = '%0*x  ' % (digits, self.address & (1 << 4 * digits) - 1)
        self.glyphs += glyph
        self.clear()
        if len(self.glyphs) == COLUMNS:
            self.end_row()

    def end_row(self):
        if self.glyphs:
            self.rows.append(self.row + self.glyphs)
        self.glyphs = ''

    def show(self):
        sizes = '  '.join('%c %s' % (97 + i, human(64 << 2 * i)) for i in range(TONES - 1))
        print('\n'.join(self.rows))
        print('  %s  %c larger; a cell is %s' % (sizes, 96 + TONES, human(self.cell)))
        print('  A half full or more   = - goes on   . free   ~ records, guards')

# --- Commands -------------------------------------------------------------------------------------

def show_pool(expression):
    if not expression:
        fail('which pool? memmgr pool POOL')
    pool = Pool(address_of(expression))
    raws, header = list(pool.walk()), pool.header
    blocks = [watch(block, pool) for block in raws]
    lives = [block for block in blocks if block.live]
    kept = [block.size for block in raws if block.kind == KEPT]
    held = [block.size for block in blocks if block.kind == QUARANTINED]
    used = sum(raw.size for raw, block in zip(raws, blocks) if block.live)
    free = sum(segment.count for segment in pool.segments) * GRANULE - header.used
    largest = longest_run(pool, raws)
    fragmentation = 100 - share(largest, free, 100) if free else 0
    flags = [name for bit, name in enumerate(FLAGS) if pool.flags >> bit & 1]
    print('%s: %s, %d%% used, %s live' % (pool.name, human(header.capacity), share(
        used, header.capacity, 100), many(len(lives), 'block')))
    print('  %s free, largest run %s, fragmentation %d%%' % (
        human(free), human(largest), fragmentation))
    print('  %s, flags: %s' % (many(len(pool.segments), 'segment'), ' '.join(flags) or 'none'))
    print('  %s kept by classes (%s), %s in quarantine (%s)' % (
        many(len(kept), 'block'), human(sum(kept)), many(len(held), 'block'), human(sum(held))))
    print('  at most %s used, %s, %s, %s, %s\n' % (
        human(header.peak_used), many(header.allocations, 'allocation'),
        many(header.frees, 'free'), many(header.failures, 'failure'),
        many(header.misuses, 'misuse')))
    Picture(raws, blocks).show()
    raw_used = [block.size for block in raws if block.live]
    counts = header.allocations - header.frees
    if sum(raw_used) != header.used or len(raw_used) != counts:
        print('This pool is damaged, or in the middle of a call: its map shows %s of %d bytes, it '
              'counts %d of %d.' % (
                  many(len(raw_used), 'live block'), sum(raw_used), counts, header.used))
    if pool.address not in shown_pools:
        shown_pools.append(pool.address)

def longest_run(pool, raws):
    """The most that lies free in a row: kept blocks count as what they could be."""
    longest = run = 0
    starts = {segment.granules for segment in pool.segments}
    for block in raws:
        run = 0 if block.live else (0 if block.start in starts else run) + block.size
        longest = max(longest, run)
    return longest

def threads_by_heap():
    """Which thread has which heap, as far as gdb can read variables of threads here."""
    threads, selected, frame = {}, gdb.selected_thread(), gdb.selected_frame()
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        mine = variable('mmi_heap_mine')
        try:
            threads[int(mine)] = thread.num
        except (gdb.error, TypeError):
            pass
    selected.switch()
    frame.select()
    return threads

def show_heap(_):
    heap = Heap()
    raws = list(heap.walk())
    blocks = [watch(block) for block in raws]
    used = sum(raw.size for raw, block in zip(raws, blocks) if block.live)
    print('general calls: %s used, %s live, %s free' % (
        human(used), many(sum(block.live for block in blocks), 'block'),
        human(sum(raw.size for raw in raws if not raw.live))))
    for i, arena in enumerate(heap.arenas):
        print('  arena %d at 0x%x: %d of %d units ever used, %d of them slabs' % (
            i, arena.base, arena.fresh, arena.unit_count, arena.used))
    if heap.arenas:
        print('  idle units: %d with their pages, %d given back' % heap.idle)
    sizes = {}
    for unit in heap.units():
        if unit.owner:
            size, states = slab_states(unit)
            line = sizes.setdefault(size, [0] * 5)
            line[0] += 1
            for i, state in enumerate((unit.live, STATE_FREE, STATE_CACHED, STATE_REMOTE)):
                line[i + 1] += states.count(state)
    if sizes:
        print('\n   block size    slabs     live     free   cached   freed by others')
    for size in sorted(sizes):
        print('%13s%9d%9d%9d%9d%18d' % ((human(size), ) + tuple(sizes[size])))
    if heap.large:
        lives = [block.size for block in heap.large_walk() if block.live]
        print('\n  large blocks: %d live, %s, in %s of %s' % (len(lives), human(sum(lives)), many(
            len(heap.large.segments), 'segment'), heap.large.title))
    threads = threads_by_heap()
    for one in heap.heaps:
        thread = threads.get(one.address)
        told = many(sum(1 for slabs in one.told if slabs), 'size')
        print('  heap 0x%x: %s, told of frees of %s' % (
            one.address, 'parked' if one.parked else 'thread %s' % (thread or '?'), told))
    print()
    if blocks:
        Picture(raws, blocks).show()

def verdict(block, address):
    if block.live and address == block.start:
        return 'MEMMGR_OK'
    taken = block.live or block.kind == QUARANTINE
    return 'MEMMGR_INTERIOR_POINTER' if taken or address % GRANULE else 'MEMMGR_DOUBLE_FREE'

def explain(address, place, block, before, behind):
    record, offset = block.record, address - block.start
    outside = (record or block.overwritten) and not 0 <= offset < max(block.size, 1)
    print('0x%x: byte %d of %s%s' % (
        address, offset, block.kind, ', in its record or guards' if outside else ''))
    print('  in      %s' % place)
    for title, one in (('block', block), ('before', before), ('behind', behind)):
        what = '0x%x, %d bytes, %s' % (one.start, one.size, one.kind) if one else 'nothing'
        print('  %-7s %s' % (title, what))
    if block.overwritten:
        print('  made    not known: its record was overwritten')
    if record:
        print('  made    %s, serial %d' % (site(record.file, record.line), record.serial))
        if record.state != RECORD_LIVE:
            print('  freed   %s' % site(record.freed_file, record.freed_line))
    if record and block.kind in (LIVE, QUARANTINED):
        changed = first_change(block)
        what = 'intact' if changed is None else 'changed at byte %d' % changed
        print('  %-7s %s' % ('content' if block.kind == QUARANTINED else 'guards', what))
    print('  free    %s' % verdict(block, address))

def explain_nothing(address, place):
    print('0x%x: no block\n  in      %s\n  free    MEMMGR_FOREIGN_POINTER' % (address, place))

def where_in_pool(address, pool, segment, watcher):
    number, count = pool.segments.index(segment) + 1, len(pool.segments)
    place = '%s, segment %d of %d' % (pool.title, number, count)
    granule = (address - segment.granules) // GRANULE
    if not 0 <= granule < segment.count:
        return explain_nothing(address, place + ", the pool's own data")
    block, end = segment.block_around(granule)
    start = end - block.size // GRANULE
    before = watch(segment.block_around(start - 1)[0], watcher) if start else None
    behind = watch(segment.block(end)[0], watcher) if end < segment.count else None
    return explain(address, place, watch(block, watcher), before, behind)

def where_in_heap(address, heap):
    """Explains a pointer into the general heap. False: it is none."""
    unit = heap.unit_of(address)
    if unit and unit.owner:
        size, states = slab_states(unit)
        owner = Struct(type_of('mmi_heap'), unit.owner)
        number = (address - unit.start) // size
        place = 'slab of %d-byte blocks at 0x%x, of heap 0x%x%s' % (
            size, unit.start, unit.owner, ', parked' if owner.parked else '')
        if number >= len(states):
            block = Block('the end of a slab, where no block fits', unit.start + len(states) * size,
                          UNIT - len(states) * size)
        else:
            block = watch(slab_block(unit, number))
        before = watch(slab_block(unit, number - 1)) if number else None
        behind = watch(slab_block(unit, number + 1)) if number + 1 < len(states) else None
        explain(address, place, block, before, behind)
        return True
    if unit:
        idle = Block('an idle unit', unit.start, UNIT)
        explain(address, 'an arena of the general calls', idle, None, None)
        return True
    for arena in heap.arenas:
        if arena.base <= address < arena.base + arena.unit_count * UNIT:
            explain_nothing(address, 'an arena of the general calls, memory that was never used')
            return True
    segment = heap.large.segment_of(address) if heap.large else None
    if segment:
        where_in_pool(address, heap.large, segment, None)
    return segment is not None

def pool_variables():
    """Names of variables outside of functions that point to pools; looked for once."""
    files = tuple(objfile.filename for objfile in gdb.objfiles())
    if files not in variables_of:
        names, file = [], ''
        for line in gdb.execute('info variables -q -t memmgr_pool', to_string=True).splitlines():
            found = re.search(r'\bmemmgr_pool \*\s*(?:const\s+)?(\w+);', line)
            if line.startswith('File '):
                file = line[5:].rstrip(':')
            elif found:
                names.append("'%s'::%s" % (file, found.group(1)))
        variables_of[files] = names
    return variables_of[files]

def known_pools():
    """Pools that variables point to, then those that were shown."""
    values = [variable(name) for name in pool_variables()]
    for place in [int(value) for value in values if value is not None] + shown_pools:
        try:
            yield Pool(place)
        except gdb.GdbError:
            pass  # one that has ended, or was never made

def two_expressions(text):
    """The address, and the pool if there is one: the last word, when the whole is no expression."""
    try:
        return address_of(text), None
    except gdb.error:
        address, _, pool = text.rpartition(' ')
        if not address:
            raise
        return address_of(address), Pool(address_of(pool))

def show_where(text):
    if not text:
        fail('which pointer? memmgr where ADDRESS [POOL]')
    address, pool = two_expressions(text)
    if pool is None:
        if where_in_heap(address, Heap()):
            return None
        for pool in known_pools():
            if pool.segment_of(address):
                break
        else:
            return explain_nothing(address, 'neither the general heap nor a known pool')
    segment = pool.segment_of(address)
    if segment is None:
        return explain_nothing(address, 'other memory than that of %s' % pool.title)
    return where_in_pool(address, pool, segment, pool)

def show_leaks(expression):
    pool = Pool(address_of(expression)) if expression else None
    raws = pool.walk() if pool else Heap().walk()
    groups = {}
    for block in (watch(raw, pool) for raw in raws if raw.live):
        if not block.live:
            continue
        name = '%d bytes each' % block.size
        if block.overwritten:
            name = 'not known: record overwritten'
        if block.record:
            name = site(block.record.file, block.record.line)
        group = groups.setdefault(name, [0, 0, block.start])
        group[0], group[1] = group[0] + 1, group[1] + block.size
    count, size = (sum(group[i] for group in groups.values()) for i in (0, 1))
    print('%s: %s live, %d bytes' % (
        pool.title if pool else 'general calls', many(count, 'block'), size))
    if groups:
        print('    blocks         bytes  first               made at, or size')
    for name, (count, size, first) in sorted(groups.items(), key=lambda group: -group[1][1]):
        print('%10d%14d  %-18s  %s' % (count, size, '0x%x' % first, name))

COMMANDS = {'pool': show_pool, 'heap': show_heap, 'where': show_where, 'leaks': show_leaks}

class Memmgr(gdb.Command):
    __doc__ = 'Pools and the general heap of memmgr.h.\n\n' + HELP

    def __init__(self):
        super().__init__('memmgr', gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        global order
        name, _, rest = argument.strip().partition(' ')
        if name in ('', 'help'):
            return gdb.write(HELP)
        if name not in COMMANDS:
            fail('there is no "%s". There are:\n%s' % (name, HELP))
        if not gdb.selected_inferior().threads():
            fail('there is no process and no core file to look at')
        order = byte_order()
        type_of.cache_clear()
        general_quarantine.cache_clear()
        try:
            return COMMANDS[name](rest.strip())
        except gdb.GdbError:
            raise
        except gdb.error as error:
            return fail(str(error))

Memmgr()
