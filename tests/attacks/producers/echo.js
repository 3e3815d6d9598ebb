// What Node.js writes for a text, form by form: a line of JSON each, the form in base64.
const util = require("util"), qs = require("querystring"), v8 = require("v8");
const v = process.env.V, h = { data: v }, bytes = Buffer.from(v), pieces = v.match(/[^]{1,5}/g);
const forms = {
  inspect: util.inspect(h), "inspect twice": util.inspect(util.inspect(h)), "inspect, narrow": util.inspect({ a: { b: { c: { d: v } } } }, { depth: 9, breakLength: 10 }),
  "inspect of bytes": util.inspect(new Uint8Array(bytes), { maxArrayLength: null }), "inspect of characters": util.inspect([...v], { maxArrayLength: null }),
  json: JSON.stringify(h), "json three times": JSON.stringify(JSON.stringify(JSON.stringify(h))), "json of bytes": JSON.stringify(bytes),
  "json of bytes by place": JSON.stringify(new Uint8Array(bytes), null, 2), "json of characters": JSON.stringify([...v], null, 2), "json of characters by place": JSON.stringify({ ...v }),
  "json of codes": JSON.stringify([...v].map((c) => c.codePointAt(0))), "json of hexadecimal": JSON.stringify([...bytes].map((x) => x.toString(16))),
  "json of binary": JSON.stringify([...bytes].map((x) => x.toString(2))), "json of octal": JSON.stringify([...bytes].map((x) => x.toString(8))),
  "three times for a URL": encodeURIComponent(encodeURIComponent(encodeURIComponent(v))), escape: escape(escape(v)), query: qs.stringify({ a: v }), params: new URLSearchParams({ a: v }).toString(),
  base64: bytes.toString("base64"), base64url: bytes.toString("base64url"), hex: bytes.toString("hex"), "UTF-16 in base64": Buffer.from(v, "utf16le").toString("base64"), format: util.format("%s %o %O %j", v, v, h, h),
  serialize: v8.serialize(h).toString("latin1"), "regular expression": v.replace(/[.*+?^${}()|[\]\\\-/]/g, "\\$&"), concatenated: [...v].map((c) => JSON.stringify(c)).join("+"),
  joined: [...v].join(), "bytes joined": String([...bytes]), dashes: [...v].join("-"), "zero-width": [...v].join("\u200b"), spans: [...v].map((c) => `<span class="c">${c}</span>`).join(""),
  objects: JSON.stringify([...v].map((c, i) => ({ i, c }))), pieces: JSON.stringify(pieces.map((text, part) => ({ part, text }))), "pieces in base64": JSON.stringify(pieces.map((s) => Buffer.from(s).toString("base64"))),
  "nested pieces": JSON.stringify(pieces.reduceRight((rest, s) => [s, rest], null)), events: pieces.map((s) => `data: ${JSON.stringify({ delta: { content: s } })}\n\n`).join(""),
};
for (const name in forms) console.log(JSON.stringify([name, Buffer.from(forms[name]).toString("base64")]));
