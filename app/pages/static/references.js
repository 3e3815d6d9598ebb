// What a field's text refers to, and where in it a secret goes. Pure: texts and positions, no page.

const NAME = "[A-Za-z_][A-Za-z0-9_]{0,63}";
const REFERENCE = new RegExp(`\\{\\{ *(?:"\\{\\{"|secrets\\.(${NAME})|\\+? *(${NAME})) *\\}\\}`, "g");

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
 * `held` is the one that is replaced. `asked` says that the caret was put there by the person; where it wasn't, nothing is
 * glued to what stands there. With `choices` or `hint` the place isn't known: a person has to say.
 */
export function spot(kind, text, start, end, asked = true) {
  const region = (REGIONS[kind] ?? whole)(text, start, asked);
  const held = region.choices || region.hint ? null : secrets(text).find((each) => each.start >= region.start && each.end <= region.end);
  if (held) return { ...region, start: held.start, end: held.end, before: "", after: "", held };
  const inside = (at) => Math.min(Math.max(at, region.start), region.end);
  const from = start < region.start ? region.end : inside(start);
  return { before: "", after: "", ...region, start: from, end: Math.max(inside(end), from), held: null };
}

function whole(text) {
  return { start: 0, end: text.length };
}

function url(text, caret, asked) {
  const scheme = text.indexOf("://");
  const rest = text.slice(scheme < 0 ? 0 : scheme + 3).search(/[/?#]/);
  const path = rest < 0 ? text.length : rest + (scheme < 0 ? 0 : scheme + 3);
  const mark = text.indexOf("?", path);
  const pathEnd = mark < 0 ? text.length : mark;
  if (caret <= pathEnd) {
    const glued = !asked && path !== pathEnd && text[pathEnd - 1] !== "/";
    return { place: "path", start: path, end: pathEnd, before: path === pathEnd || glued ? "/" : "" };
  }
  const start = text.lastIndexOf("&", caret - 1);
  const end = text.indexOf("&", caret);
  const region = { place: "query", start: start > mark ? start + 1 : mark + 1, end: end < 0 ? text.length : end };
  const parameter = text.slice(region.start, region.end);
  const open = asked || !parameter || parameter.endsWith("=") || secrets(parameter).length > 0;
  return open ? region : { ...region, hint: "Click in the URL where it goes, then choose it again." };
}

function json(text, caret, asked) {
  const inside = asked && strings(text).find(({ start, end }) => start <= caret && caret <= end);
  if (inside && !inside.key) return { start: inside.start, end: inside.end };
  const quoted = { start: caret, end: caret, before: '"', after: '"' };
  if (!text.trim() || (asked && !inside && isJson(`${text.slice(0, caret)}""${text.slice(caret)}`))) return quoted;
  const choices = isJson(text) ? strings(text).filter((each) => !each.key) : [];
  return choices.length ? { ...quoted, choices } : { ...quoted, hint: "Click inside a string of the body, between its quotes, then choose it again." };
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The strings of a JSON document: { start, end, key, label }; `label` is the way to a value, such as ticket.tags[0]. */
export function strings(text) {
  const found = [];
  const way = []; // { key } of an object, { at } of a list
  let name = null;
  const label = () => way.map((each) => ("at" in each ? `[${each.at}]` : `.${each.key ?? ""}`)).join("").replace(/^\./, "") || "the whole body";
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/g)) {
    const [token] = match;
    const top = way.at(-1);
    if (token === "{") way.push({ key: null });
    else if (token === "[") way.push({ at: 0 });
    else if (token === "}" || token === "]") way.pop();
    else if (token === "," && top && "at" in top) top.at += 1;
    else if (token === ":" && top) top.key = name;
    else if (token.startsWith('"')) {
      const key = Boolean(top && "key" in top && /^\s*:/.test(text.slice(match.index + token.length)));
      if (key) name = token.slice(1, -1);
      found.push({ start: match.index + 1, end: match.index + token.length - 1, key, label: key ? null : label() });
    }
  }
  return found;
}

const REGIONS = { url, json };
