# What Ruby writes for a text, form by form: a line of JSON each, the form in base64.
require 'base64'; require 'cgi'; require 'csv'; require 'erb'; require 'json'; require 'pp'; require 'shellwords'; require 'uri'; require 'yaml'
v = ENV['V'].dup.force_encoding('utf-8')
h = { 'data' => v }
forms = {
  'inspect' => v.inspect, 'inspect twice' => v.inspect.inspect, 'dump' => v.dump, 'hash' => h.inspect, 'symbol' => v.to_sym.inspect,
  'pp' => h.pretty_inspect, 'chars' => v.chars.inspect, 'bytes' => v.bytes.inspect, 'codepoints' => v.codepoints.inspect,
  'pairs' => v.chars.each_with_index.to_a.inspect, 'by place' => v.each_char.with_index.map { |c, i| [i, c] }.to_h.inspect,
  'json' => h.to_json, 'json twice' => h.to_json.to_json, 'json pretty' => JSON.pretty_generate(h), 'json bytes' => v.bytes.to_json,
  'yaml' => h.to_yaml, 'yaml chars' => v.chars.to_yaml, 'yaml bytes' => v.bytes.to_yaml,
  'cgi' => CGI.escape(v), 'html twice' => ERB::Util.html_escape(CGI.escapeHTML(v)), 'form' => URI.encode_www_form(h),
  'base64' => Base64.encode64(v), 'urlsafe' => Base64.urlsafe_encode64(v, padding: false), 'quoted-printable' => [v].pack('M'),
  'csv' => CSV.generate_line(['id', v], force_quotes: true), 'shell' => Shellwords.escape(v), 'regexp' => Regexp.escape(v),
  'H*' => v.unpack1('H*'), 'B*' => v.unpack1('B*'), 'octal' => v.bytes.map { |b| '%03o' % b }.join(' '),
  'pieces' => v.scan(/.{1,4}/m).inspect, 'lines' => v.scan(/.{1,8}/m).join("\n"), 'marshal' => Marshal.dump(h), 'xml' => v.encode(xml: :attr)
}
forms.each { |name, form| puts JSON.generate([name, [form.b].pack('m0')]) }
