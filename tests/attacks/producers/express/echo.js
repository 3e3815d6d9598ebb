// Express as an upstream: each path echoes what came in another way. The port is the argument.
const express = require("express"), util = require("util"), yaml = require("js-yaml");
const app = express();
app.use(express.json(), express.urlencoded({ extended: true }), express.text({ type: "text/*" }), express.raw({ type: "application/octet-stream" }));
const found = (req) => req.query.x || req.get("x") || (Buffer.isBuffer(req.body) ? req.body.toString() : req.body.x || req.body);
app.set("json spaces", 2);

app.post("/whole", (req, res) => res.json({ url: req.url, original: req.originalUrl, headers: req.headers, raw: req.rawHeaders, query: req.query, body: req.body }));
app.post("/escaped", (req, res) => { app.set("json escape", true); res.json({ x: found(req), html: `<p>${found(req)}</p>` }); });
app.post("/jsonp", (req, res) => { req.query.callback = "back"; res.jsonp({ x: found(req) }); });
app.post("/buffer", (req, res) => res.json({ x: Buffer.from(found(req)), view: new Uint8Array(Buffer.from(found(req))), again: JSON.stringify(JSON.stringify({ x: found(req) })) }));
app.post("/shown", (req, res) => res.type("text").send(util.inspect({ query: req.query, body: req.body, x: [found(req)], bytes: Buffer.from(found(req)) }, { breakLength: 20, maxArrayLength: null })));
app.post("/cookie", (req, res) => { res.cookie("x", found(req)); res.cookie("object", { x: found(req) }); res.json({}); });
app.post("/location", (req, res) => res.redirect("/elsewhere?x=" + encodeURIComponent(found(req))));
app.post("/file", (req, res) => { res.attachment(found(req)); res.links({ next: "/?x=" + encodeURIComponent(found(req)) }); res.json({}); });
app.post("/yaml", (req, res) => res.type("text").send(yaml.dump({ x: found(req), list: [...found(req)], codes: [...Buffer.from(found(req))] }, { lineWidth: 20 })));
app.post("/failing", (req) => { throw new Error("no such key: " + found(req)); });

app.listen(Number(process.argv[2]), "127.0.0.1");
