# Hashes of arrays, strings, sorting and regular expressions.
use strict;
use warnings;
my $state = 1;
sub draw { $state = $state * 16807 % 2147483647; return $state % $_[0] }
my (%at, @lines);
for my $line (1 .. 18000) {
    my @words = map { 'w' . draw(30000) } 1 .. 10;
    push @{ $at{$_} }, $line for @words;
    push @lines, join ' ', @words;
}
my @keys = sort { @{ $at{$b} } <=> @{ $at{$a} } || $a cmp $b } keys %at;
my $text = join "\n", @lines;
my $changed = ($text =~ s/w(\d)(\d*)/$2-$1/g);
my %seen;
$seen{$_}++ for split /[\s-]+/, $text;
my @records = map { { id => $_, name => "name $_", tags => [ 1 .. $_ % 9 ] } } 1 .. 25000;
my $tags = 0;
$tags += @{ $_->{tags} } for sort { $a->{name} cmp $b->{name} } @records;
print join(' ', scalar @keys, $keys[0], $changed, scalar(keys %seen), $tags), "\n";
