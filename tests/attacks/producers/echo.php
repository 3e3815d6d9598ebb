<?php // What PHP writes for a text, form by form: a line of JSON each, the form in base64.
function printed($write) { ob_start(); $write(); return ob_get_clean(); }
class Held { public $a; protected $b; private $c; function __construct($v) { $this->a = $this->b = $this->c = $v; } }
$v = getenv('V');
$h = ['data' => $v];
$split = str_split($v);
$forms = [
    'json' => json_encode($h), 'json twice' => json_encode(json_encode($h)), 'json three times' => json_encode([json_encode(json_encode($h))]),
    'json hex' => json_encode(json_encode($h), JSON_HEX_TAG | JSON_HEX_QUOT | JSON_HEX_AMP), 'var_dump' => printed(fn() => var_dump($h)),
    'var_dump of an object' => printed(fn() => var_dump(new Held($v))), 'var_export' => var_export($h, true), 'print_r' => print_r($h, true),
    'serialize' => serialize(new Held($v)), 'split, var_dump' => printed(fn() => var_dump($split)), 'split, print_r' => print_r($split, true),
    'split, var_export' => var_export($split, true), 'split, json' => json_encode($split), 'pieces, print_r' => print_r(str_split($v, 4), true),
    'pieces, var_dump' => printed(fn() => var_dump(str_split($v, 4))), 'pieces, var_export' => var_export(str_split($v, 4), true),
    'bytes, print_r' => print_r(unpack('C*', $v), true), 'bytes, var_dump' => printed(fn() => var_dump(unpack('C*', $v))),
    'bytes, var_export' => var_export(unpack('C*', $v), true), 'bytes, json' => json_encode(unpack('C*', $v)),
    'html twice' => htmlspecialchars(htmlentities(json_encode($h))), 'url' => rawurlencode(urlencode($v)), 'query' => http_build_query(['a' => ['b' => $v]]),
    'addslashes' => addslashes($v), 'addcslashes' => addcslashes($v, '_-/+='), 'preg_quote' => preg_quote($v, '/'),
    'base64 in chunks' => chunk_split(base64_encode($v), 20), 'chunks' => chunk_split($v, 8), 'wrapped' => wordwrap($v, 8, "<br>\n", true),
    'hexadecimal' => bin2hex($v), 'quoted-printable' => quoted_printable_encode($v . $v), 'shell' => escapeshellarg($v),
    'ord' => implode(' ', array_map('ord', $split)), 'decbin' => implode(' ', array_map(fn($c) => decbin(ord($c)), $split)),
    'decoct' => implode(' ', array_map(fn($c) => decoct(ord($c)), $split)), 'highlighted' => highlight_string($v, true),
];
foreach ($forms as $name => $form) echo json_encode([$name, base64_encode($form)]), "\n";
