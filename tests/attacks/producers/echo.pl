# What Perl writes for a text, form by form: a line of JSON each, the form in base64.
use strict; use warnings; use Data::Dumper; use Encode; use JSON::PP; use MIME::Base64; use MIME::QuotedPrint;
my $v = $ENV{V}; my @bytes = unpack 'C*', $v; my @chars = split //, $v; my $json = JSON::PP->new; my $h = { data => $v };
my %forms = (
  'Dumper' => Dumper($h), 'Dumper of chars' => Dumper(\@chars), 'Dumper of bytes' => Dumper(\@bytes), 'Dumper of pieces' => Dumper([$v =~ /(.{1,4})/gs]),
  'Dumper in Dumper' => do { local $Data::Dumper::Useqq = 1; Dumper(Dumper($h)) }, 'Dumper with places' => do { local $Data::Dumper::Indent = 3; Dumper(\@bytes) },
  'json' => $json->encode($h), 'json twice' => $json->encode([$json->encode($h)]), 'base64' => encode_base64($v), 'quoted-printable' => encode_qp($v . $v),
  'quotemeta' => quotemeta $v, 'H*' => unpack('H*', $v), 'B*' => unpack('B*', $v), '%vd' => sprintf('%vd', $v), '%vx' => sprintf('%vx', $v),
  '%o' => join(' ', map { sprintf '%o', $_ } @bytes), '%#o' => join(' ', map { sprintf '%#o', $_ } @bytes), '%b' => join(' ', map { sprintf '%b', $_ } @bytes),
  '%#b' => join(' ', map { sprintf '%#b', $_ } @bytes), '%#x' => join(' ', map { sprintf '%#x', $_ } @bytes), 'octal escapes' => join('', map { sprintf '\\%03o', $_ } @bytes),
  'braces' => join('', map { sprintf '\\x{%x}', $_ } @bytes), 'die' => do { local $@; eval { die "bad: $v" }; $@ },
  'mail words' => encode('MIME-Header', decode('utf-8', "$v \xc3\xa9 $v")), 'mail words, Q' => encode('MIME-Q', decode('utf-8', "$v\xc3\xa9")),
);
print $json->canonical->encode([$_, encode_base64(Encode::is_utf8($forms{$_}) ? encode('utf-8', $forms{$_}) : $forms{$_}, '')]), "\n" for sort keys %forms;
