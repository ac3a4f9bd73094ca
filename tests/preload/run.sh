#!/bin/sh
# run.sh [library [name...]]: real programs with and without the library in LD_PRELOAD. What they
# print, and the files they write, must be the same to the byte. Then family.c and standard.cpp
# under the library, a process for each of their tests.
#
#     sh tests/preload/run.sh                            build/libmemmgr.so
#     sh tests/preload/run.sh build/libmemmgr.so git jq  these programs only
#     sh tests/preload/run.sh none                       no library: the tests tested
#
# CC, CXX, CFLAGS and CXXFLAGS are honoured. Everything that is built or written goes to
# build/preload. What is not installed is skipped, and a line says so.
cd "$(dirname "$0")/../.." || exit 1
CC=${CC:-cc}
CXX=${CXX:-c++}
CFLAGS=${CFLAGS:--O1 -g}
CXXFLAGS=${CXXFLAGS:-$CFLAGS}
library=${1:-build/libmemmgr.so}
[ $# -gt 0 ] && shift
only=" $* "
root=$(pwd)
out=$root/build/preload
passed=0
failed=0
compared=0

case $library in
none) library= ;;
/*) ;;
*) library=$root/$library ;;
esac
if [ -n "$library" ] && [ ! -f "$library" ]; then
    echo "    FAILED: there is no $library"
    echo "0 passed, 1 failed"
    exit 1
fi
rm -rf "$out"
mkdir -p "$out/plain" "$out/preload"

# The same surroundings, whoever calls.
LC_ALL=C TZ=UTC0 HOME=$out
GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org
GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
GIT_AUTHOR_DATE='2001-02-03T04:05:06Z' GIT_COMMITTER_DATE='2001-02-03T04:05:06Z'
export LC_ALL TZ HOME GIT_CONFIG_NOSYSTEM GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME \
    GIT_COMMITTER_EMAIL GIT_AUTHOR_DATE GIT_COMMITTER_DATE
unset LD_PRELOAD MAKEFLAGS

limit=
command -v timeout >/dev/null 2>&1 && limit='timeout 120'

passes() { passed=$((passed + 1)); }
fails() { failed=$((failed + 1)); echo "    FAILED: $*"; }
wanted() { case $only in '  ' | *" $1 "*) true ;; *) false ;; esac; }

# under preload|plain command...: in its directory
under()
{
    mode=$1
    shift
    preload=
    [ "$mode" = preload ] && preload=$library
    (
        cd "$out/$mode" || exit 1
        if [ -n "$preload" ]; then exec env LD_PRELOAD="$preload" $limit "$@"; fi
        exec $limit "$@"
    )
}

# program name script: a shell script that uses the program of that name. Both run in a directory of
# their own, whose files are compared, too; what begins with a dot, or ends in .tmp, is not.
program()
{
    name=$1 script=$2
    wanted "$name" || return 0
    if ! command -v "$name" >/dev/null 2>&1; then
        echo "    $name: skipped, not here"
        return 0
    fi
    compared=$((compared + 1))
    for mode in plain preload; do
        rm -rf "${out:?}/$mode"
        mkdir "$out/$mode"
        cp "$out/input/"* "$out/$mode"
        under $mode sh -c "$script" >"$out/$name.$mode" 2>&1 </dev/null
        echo "status $?" >>"$out/$name.$mode"
    done
    if grep -q '^status 0$' "$out/$name.plain"; then :; else
        fails "$name fails without the library"
        head -5 "$out/$name.plain"
        return
    fi
    if ! cmp -s "$out/$name.plain" "$out/$name.preload"; then
        fails "$name"
        diff "$out/$name.plain" "$out/$name.preload" | head -8
    elif ! diff -r -x '.*' -x '*.tmp' "$out/plain" "$out/preload" >"$out/$name.diff" 2>&1; then
        fails "$name writes other files"
        head -5 "$out/$name.diff"
    else
        passes
    fi
}

# --- What they work on ---------------------------------------------------------------------------

mkdir "$out/input"
awk 'BEGIN {
    x = 12345
    for (i = 0; i < 40000; i++) {
        x = (x * 16807) % 2147483647
        printf "%d key%d %s %d\n", x, x % 977, substr("abcdefghijklmnopqrstuvwxyz", x % 20, 9), i
    }
}' >"$out/input/text"
cp memmgr.h "$out/input/memmgr.h"

cat >"$out/input/script.py" <<'END'
import collections, hashlib, json, re, subprocess, sys, threading, zlib
words = open("text").read().split()
def work(part, results):
    counts = collections.Counter(words[part::4])
    results[part] = json.dumps(sorted(counts.items())[:500])
results = [None] * 4
for repeat in range(3):
    threads = [threading.Thread(target=work, args=(i, results)) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
for text in results:
    print(hashlib.sha256(text.encode()).hexdigest(), len(json.loads(text)))
print(subprocess.run(["sh", "-c", "wc -l <text"], capture_output=True, text=True).stdout.strip())
print(len(re.findall(r"key(\d+) (\w+)", " ".join(words))))
print(zlib.crc32(zlib.decompress(zlib.compress(" ".join(words).encode()))))
nested = []
for i in range(20000):
    nested = [nested, str(i)] if i % 100 else []
print(len(str(nested)), sum(len({j: str(j) for j in range(i)}) for i in range(300)))
END
cat >"$out/input/script.pl" <<'END'
my (%count, @lines);
open my $in, '<', 'text' or die;
while (<$in>) { chomp; push @lines, $_; $count{$1}++ while /(\w+)/g; }
my @children = map {
    my $pid = open(my $out, '-|') // die;
    if (!$pid) { print $_ * scalar @lines, "\n"; exit }
    $out
} 1 .. 3;
print scalar <$_> for @children;
my @often = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
print join(",", map { "$_=$count{$_}" } @often[0 .. 20]), "\n";
my $text = join "\n", sort { (split ' ', $a)[1] cmp (split ' ', $b)[1] || $a cmp $b } @lines;
$text =~ s/([a-m]+)/uc $1/ge;
print length $text, " ", unpack("%32C*", $text), "\n";
END
cat >"$out/input/script.lua" <<'END'
local count, lines = {}, {}
for line in io.lines("text") do
    lines[#lines + 1] = line:upper()
    for word in line:gmatch("%a+") do count[word] = (count[word] or 0) + 1 end
end
table.sort(lines)
local words = {}
for word, n in pairs(count) do words[#words + 1] = word .. "=" .. n end
table.sort(words)
print(#lines, #words, table.concat(words, ","):sub(1, 500))
local joined = ""
for i = 1, 3000 do joined = joined .. lines[i] end
print(#joined, #table.concat(lines, "\n"))
local routines = {}
for i = 1, 2000 do
    routines[i] = coroutine.wrap(function() for j = 1, 3 do coroutine.yield({i, j}) end end)
end
local sum = 0
for i = 1, 2000 do sum = sum + routines[i]()[1] end
collectgarbage()
print(sum)
END
cat >"$out/input/script.sql" <<'END'
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
    INSERT INTO t SELECT i, printf('%08x', i * 2654435761 % 4294967296), i / 7.0 FROM n;
CREATE INDEX tb ON t(b);
SELECT count(*), sum(a), max(b) FROM t;
SELECT substr(b, 1, 2) AS p, count(*), group_concat(a % 10, '') FROM t GROUP BY p ORDER BY p
    LIMIT 5;
UPDATE t SET b = b || a WHERE a % 3 = 0;
DELETE FROM t WHERE a % 5 = 0;
SELECT count(*), sum(length(b)) FROM t WHERE b > '8';
SELECT x.a, y.b FROM t x JOIN t y ON y.a = x.a * 7 WHERE x.a < 20 ORDER BY x.a;
PRAGMA integrity_check;
END
cat >"$out/input/script.tcl" <<'END'
set file [open text]
set lines [split [read $file] \n]
foreach line $lines { foreach word $line { dict incr count $word } }
puts "[llength $lines] [dict size $count]"
puts [lrange [lsort [dict keys $count key*]] 0 20]
set text [string map {a AAA e {}} [join $lines]]
puts [string length $text]
puts [regsub -all {key(\d+)} [string range $text 0 2000] {<\1>}]
END
cat >"$out/input/script.js" <<'END'
const fs = require('fs'), zlib = require('zlib'), crypto = require('crypto');
const lines = fs.readFileSync('text', 'utf8').split('\n');
const count = new Map();
for (const word of lines.join(' ').split(' ')) count.set(word, (count.get(word) || 0) + 1);
console.log(lines.length, count.size, JSON.stringify([...count].sort()).length);
const packed = zlib.gzipSync(lines.join('\n'));
console.log(crypto.createHash('sha256').update(zlib.gunzipSync(packed)).digest('hex'));
let buffers = [];
for (let i = 0; i < 3000; i++) buffers.push(Buffer.alloc(i * 10, i & 255));
console.log(Buffer.concat(buffers).length);
const {Worker} = require('worker_threads');
const work = 'require("worker_threads").parentPort.postMessage("x".repeat(1e6).length)';
const worker = new Worker(work, {eval: true});
worker.on('message', message => console.log('worker', message));
END
cat >"$out/input/script.smt2" <<'END'
(declare-const a (_ BitVec 24))
(declare-const b (_ BitVec 24))
(assert (= (bvmul a b) #x6d656d))
(assert (bvugt a #x000100))
(assert (bvugt b #x000100))
(check-sat)
(reset)
(declare-fun f (Int) Int)
(declare-const x Int)
(assert (forall ((i Int)) (=> (and (<= 0 i) (< i 40)) (= (f (+ i 1)) (+ (f i) 3)))))
(assert (= (f 0) 0))
(assert (= x (f 10)))
(assert (distinct x 30))
(check-sat)
END
cat >"$out/input/page.ps" <<'END'
/Times-Roman findfont 24 scalefont setfont
0 1 29 { dup 20 mul 40 add 50 exch moveto (line of text ) show 10 string cvs show } for
0 5 360 { gsave 300 400 translate rotate 0 0 moveto 200 0 lineto stroke grestore } for
1 0 0 setrgbcolor 300 400 100 0 360 arc fill showpage
END
cat >"$out/input/Makefile" <<'END'
FILES := $(foreach i,0 1 2 3 4 5 6 7 8 9,$(foreach j,a b c d e f g h,file.$(i)$(j)))
all: $(FILES)
	@cat $^ | cksum
	@echo $(words $(FILES)) $(sort $(patsubst file.%,%,$(FILES)))
file.%: text
	@sed -n '/$*/p' text | head -100 >$@
END
cat >"$out/input/Sample.java" <<'END'
import java.util.*;
import java.util.stream.*;
public class Sample {
    public static void main(String[] arguments) throws Exception {
        List<String> lines = java.nio.file.Files.readAllLines(java.nio.file.Path.of("text"));
        Map<String, Long> count = lines.parallelStream().flatMap(l -> Arrays.stream(l.split(" ")))
            .collect(Collectors.groupingByConcurrent(w -> w, Collectors.counting()));
        System.out.println(lines.size() + " " + count.size());
        System.out.println(new TreeMap<>(count).headMap("2").toString().hashCode());
        java.util.zip.Deflater deflater = new java.util.zip.Deflater();
        deflater.setInput(String.join("", lines).getBytes());
        deflater.finish();
        System.out.println(deflater.deflate(new byte[4000000]) > 100000);
        deflater.end();
    }
}
END
cat >"$out/input/script.cmake" <<'END'
file(STRINGS text lines LIMIT_COUNT 3000)
foreach(line ${lines})
    string(REGEX REPLACE "key([0-9]+)" "<\\1>" changed "${line}")
    string(APPEND all "${changed}")
endforeach()
list(SORT lines)
list(GET lines 7 line)
string(SHA256 sum "${all}")
message("${line} ${sum}")
END
cat >"$out/input/plot" <<'END'
set terminal svg
set output 'plot.svg'
set samples 2000
splot sin(x) * cos(y), x * y / 50
plot for [i = 1:20] sin(i * x) / i
END

# --- The programs --------------------------------------------------------------------------------

compile='-O2 -S -x c -DMEMMGR_IMPLEMENTATION -DUSE_MEMORY_MGR memmgr.h -o one.s'
program bash 'bash -c "declare -A m; for i in {1..3000}; do a[i]=\$((i * i)); t=\$t\${a[i]}; done
    echo \${#t} \${t:100:50} \${a[@]: -5}
    while read -r x y z; do m[\${x: -3}]+=\$y; done < <(head -2000 text)
    printf \"%s\\n\" \${!m[@]} | sort | cksum"'
program dash 'dash -c "i=0; while [ \$i -lt 5000 ]; do i=\$((i + 1)); t=\$t.\$i; done
    echo \$t | cksum
    for f in 1 2 3; do (sort text | head -\$f; eval \"v\$f=\$t\") | tail -1; done"'
for awk in gawk mawk; do
    program $awk "$awk '{ n[\$2]++; t = t substr(\$3, 1, 1); split(\$0, p) } END {
        for (k in n) s += n[k] * length(k); gsub(/a/, \"AA\", t); print s, length(t), p[1] }' text"
done
program sed "sed -E -n 's/([a-m]+)([n-z]*)/\\2-\\1/g; H; \$ { x; s/\\n/;/g; p }' text | cksum"
program sort 'sort --parallel=2 -S 1M -k2,2 -k1n text | cksum; sort -u -k3 text | tail -3'
program grep 'grep -E -c "(a|b)+c.*key[0-9]{2} " text; grep -o -w "key[1-9]" text | sort | uniq -c'
program find 'find . -type f | xargs -n 3 echo | sort'
program bc 'echo "scale=600; 4*a(1); e(1); 2^3000; sqrt(2)" | bc -l'
program dc 'echo "200k 2v p 3 2000 ^ p [la1+dsa*pla25>y]sy0sa1lyx" | dc'
program ed 'printf "%s\n" "g/key1/s//KEY/" "1,500m\$" "g/z/t." w q | ed -s text; cksum text'
program tar 'mkdir d; split -l 500 text d/part.
    tar -cf a.tar --sort=name --mtime=@0 --owner=0 --group=0 d
    tar -tvf a.tar | cksum; mkdir e; tar -xf a.tar -C e; cat e/d/* | cksum; rm -r d e'
program gzip 'gzip -9 -n -k text; gzip -dc text.gz | cksum; gzip -lv text.gz | cut -c1-12'
program bzip2 'bzip2 -k text; bunzip2 -c text.bz2 | cksum'
program xz 'xz -T2 --block-size=300KiB -k text; xz -dc text.xz | cksum'
program zstd 'zstd -q -T2 -12 text; zstd -q -dc text.zst | cksum
    zstd -q --train -B4096 text -o dictionary; cksum <dictionary'
program perl 'perl script.pl'
program python3 'python3 script.py'
program lua5.4 'lua5.4 script.lua'
program tclsh 'tclsh script.tcl'
program node 'node script.js'
program jq "awk '{ printf \"{\\\"k\\\":\\\"%s\\\",\\\"v\\\":[%d,%d]}\\n\", \$2, \$1, \$4 }' text |
    jq -s -c 'group_by(.k) | map({(.[0].k): (map(.v[0]) | add)}) | add' | cksum"
program sqlite3 'sqlite3 base.tmp <script.sql'
program git 'git init -q -b main . && git add text memmgr.h && git commit -q -m one
    for i in 1 2 3 4 5 6 7 8; do sed -i "${i}00,${i}90d" text; git commit -q -a -m "change $i"; done
    git log --stat -p | cksum; git log --oneline; git fsck --full 2>&1; git gc -q; git fsck 2>&1
    git blame -s text | cksum; git diff --word-diff HEAD~5 | cksum; git count-objects -v | head -1
    git grep -c key1'
program diff "sed 's/key1/KEY/' text >other; diff -u text other | tail -n +3 | cksum
    diff -y text other | cksum"
program patch "sed 's/key1/KEY/' text >other; diff -u text other >p.tmp; patch -s text p.tmp
    cmp text other"
program make 'make -j2 -s'
program openssl 'openssl dgst -sha512 text
    openssl enc -aes-256-ctr -K 00 -iv 00 -in text 2>/dev/null | cksum
    openssl version; openssl prime -generate -bits 64 >/dev/null && openssl prime 1000003'
program curl 'curl --version; curl -s "file://$PWD/text" | cksum'
program gcc "gcc $compile && cksum <one.s"
program g++ "g++ -O2 -S -std=c++17 '$root/tests/preload/standard.cpp' -o one.s && cksum <one.s
    g++ $(echo "$compile" | sed 's/-x c/-x c++/; s/one/two/') && cksum <two.s"
program clang "clang $compile && cksum <one.s"
program gs 'gs -q -dNOPAUSE -dBATCH -dSAFER -sDEVICE=ppmraw -r72 -sOutputFile=page.ppm page.ps'
program z3 'z3 script.smt2'
program gdb 'gdb -nx -batch -ex "print 6 * 7" -ex "info files" "$(command -v env)" 2>&1 | cksum
    gdb -nx -batch -ex "python print(sum(len(str(i)) for i in range(50000)))" 2>&1 | tail -1'
program gnuplot 'gnuplot plot'
program cmake 'cmake -P script.cmake'
program vim 'vim -u NONE -es -c "%s/key\\d\\+/<&>/g" -c "sort" -c wq text; cksum text'
program redis-server '
    redis-server --port 0 --unixsocket "$PWD/s.tmp" --save "" --io-threads 2 >log.tmp 2>&1 &
    server=$!
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ -S s.tmp ] && break; sleep 0.1; done
    awk "{ print \"SET\", \$2 \$4, \$1; print \"RPUSH\", \$2, \$3 }
        { print \"ZADD z\", \$1, \$4 }" text |
        head -30000 | redis-cli -s s.tmp | sort | uniq -c | cksum
    redis-cli -s s.tmp DBSIZE; redis-cli -s s.tmp ZCARD z; redis-cli -s s.tmp LRANGE key7 0 5
    redis-cli -s s.tmp MEMORY USAGE z >/dev/null; redis-cli -s s.tmp FLUSHALL
    redis-cli -s s.tmp SHUTDOWN NOSAVE; wait $server'
program java 'java -version; java -Xshare:auto -Xmx256m Sample.java'

# --- C and C++ -----------------------------------------------------------------------------------

# each program [argument]: every test of it in a process of its own
each()
{
    name=$1 argument=${2:-}
    for test in $("$out/$name" --list); do
        under preload "$out/$name" $argument "$test" >"$out/$name.$test" 2>&1
        status=$?
        if [ $status = 0 ]; then passes; else
            fails "$test, status $status"
            sed 1,2d "$out/$name.$test" | head -6
        fi
    done
}

# The compiler must not know what malloc does, or it takes away what is to be tested.
if wanted family; then
    if $CC -std=c11 -Wall -Wextra $CFLAGS -fno-builtin -o "$out/family" tests/preload/family.c \
        -pthread -ldl &&
        $CC -std=c11 $CFLAGS -fPIC -shared -DFAMILY_PLUGIN -o "$out/family.plugin.so" \
            tests/preload/family.c; then
        case ${library##*/} in
        *memmgr*) each family memmgr ;;
        *) echo "    misuse: skipped, for memmgr only"; each family ;;
        esac
    else
        fails "family.c does not compile"
    fi
fi
if wanted standard; then
    if ! command -v "${CXX%% *}" >/dev/null 2>&1; then
        echo "    standard.cpp: skipped, there is no $CXX"
    elif $CXX -std=c++17 -fsized-deallocation -Wall -Wextra $CXXFLAGS -o "$out/standard" \
        tests/preload/standard.cpp -pthread; then
        each standard
    else
        fails "standard.cpp does not compile"
    fi
fi

echo "    $compared programs compared"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
