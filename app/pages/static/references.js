// What a field's text refers to, and where in it a secret goes. Pure: texts and positions, no page.

const NAME = "[A-Za-z_][A-Za-z0-9_]{0,63}";
const REFERENCE = new RegExp(`\\{\\{ *(?:"\\{\\{"|secrets\\.(${NAME})|(${NAME})) *\\}\\}`, "g");

/** The references of a text, in order: { start, end, secret } or { start, end, variable }. */
export function references(text) {
  const found = [];
  for (const match of text.matchAll(REFERENCE)) {
    if (match[1] || match[2]) {
      found.push({ start: match.index, end: match.index + match[0].length, secret: match[1], variable: match[2] });
    }
  }
  return found;
}

/** The references to secrets alone. */
export const secrets = (text) => references(text).filter((each) => each.secret);

/** What a secret is written as. */
export const written = (name) => `{{secrets.${name}}}`;

/**
 * Where a secret goes that is put in at the selection: { place, start, end, before, after, held }. A URL's path and
 * each of its parameters, and each string of a JSON document, is a field of its own, which holds one secret at most:
 * `held` is the one that is replaced.
 */
export function spot(kind, text, start, end) {
  const region = (REGIONS[kind] ?? whole)(text, start);
  const held = secrets(text).find((each) => each.start >= region.start && each.end <= region.end);
  if (held) return { ...region, start: held.start, end: held.end, before: "", after: "", held };
  const inside = (at) => Math.min(Math.max(at, region.start), region.end);
  const from = start < region.start ? region.end : inside(start);
  return { before: "", after: "", ...region, start: from, end: Math.max(inside(end), from), held: null };
}

function whole(text) {
  return { start: 0, end: text.length };
}

function url(text, caret) {
  const scheme = text.indexOf("://");
  const rest = text.slice(scheme < 0 ? 0 : scheme + 3).search(/[/?#]/);
  const path = rest < 0 ? text.length : rest + (scheme < 0 ? 0 : scheme + 3);
  const mark = text.indexOf("?", path);
  const pathEnd = mark < 0 ? text.length : mark;
  if (caret <= pathEnd) return { place: "path", start: path, end: pathEnd, before: path === pathEnd ? "/" : "" };
  const start = text.lastIndexOf("&", caret - 1);
  const end = text.indexOf("&", caret);
  return { place: "query", start: start > mark ? start + 1 : mark + 1, end: end < 0 ? text.length : end };
}

function json(text, caret) {
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"/g)) {
    const [start, end] = [match.index + 1, match.index + match[0].length - 1];
    if (start <= caret && caret <= end) return { start, end };
  }
  return { start: caret, end: caret, before: '"', after: '"' };
}

const REGIONS = { url, json };
