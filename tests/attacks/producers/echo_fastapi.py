"""FastAPI with Pydantic as an upstream: each path echoes what came in another way. The argument is the port."""

from __future__ import annotations

import pprint
import sys
from typing import Annotated, Any

import uvicorn
import yaml
from fastapi import FastAPI, Form, Header, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from pydantic import Base64Bytes, Base64UrlStr, BaseModel, ConfigDict

app = FastAPI(debug=True)


class Item(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", str_strip_whitespace=True)

    text: str
    raw: bytes
    nested: dict[str, list[str]]


class Packed(BaseModel):
    standard: Base64Bytes
    url: Base64UrlStr


class Strict(BaseModel):
    x: int


async def found(request: Request) -> str:
    """Return the value, wherever it came."""
    if value := request.query_params.get("x") or request.headers.get("x"):
        return value
    kind = request.headers.get("content-type", "")
    if "form" in kind:
        return str((await request.form())["x"])
    return str((await request.json())["x"]) if "json" in kind else (await request.body()).decode()


@app.post("/whole")
async def whole(request: Request) -> dict[str, Any]:
    body = await request.body()
    return {
        "url": str(request.url), "headers": dict(request.headers), "raw": [str(pair) for pair in request.headers.raw],
        "query": request.query_params.multi_items(), "scope": repr(request.scope), "body": body, "list": list(body),
    }  # fmt: skip


@app.post("/model")
async def model(request: Request) -> Item:
    value = await found(request)
    return Item(text=value, raw=value.encode(), nested={value: list(value)})


@app.post("/model/shown")
async def model_shown(request: Request) -> Response:
    item = await model(request)
    return PlainTextResponse(
        f"{item!r}\n{item.model_dump_json(indent=1)}\n{pprint.pformat(item.model_dump(), width=20)}"
    )


@app.post("/packed")
async def packed(request: Request) -> Response:
    value = (await found(request)).encode()
    held = Packed.model_construct(standard=value, url=value.decode())
    return Response(held.model_dump_json(), media_type="application/json")


@app.post("/yaml")
async def as_yaml(request: Request) -> Response:
    value = await found(request)
    styles = (None, '"', "'", "|", ">")
    held = {"text": value, "bytes": value.encode(), "characters": list(value), "codes": list(value.encode())}
    documents = [yaml.dump(held, default_style=style, width=20) for style in styles]
    return PlainTextResponse("---\n".join(documents), media_type="application/yaml")


@app.post("/form")
async def form(x: Annotated[str, Form()]) -> dict[str, str]:
    return {"x": x}


@app.post("/query")
async def query(x: Annotated[list[str], Query()]) -> dict[str, list[str]]:
    return {"x": x}


@app.post("/header")
async def header(x: Annotated[str, Header()]) -> Response:
    return JSONResponse({"x": x}, headers={"x-echo": x})


@app.post("/strict")
async def strict(item: Strict) -> Strict:
    return item


@app.post("/strict/query")
async def strict_query(x: int) -> int:
    return x


@app.post("/redirect")
async def redirect(request: Request) -> Response:
    answer = RedirectResponse(f"/elsewhere?x={await found(request)}")
    answer.set_cookie("x", (await found(request)).strip().replace("\n", "\\n"))
    return answer


@app.post("/failing")
async def failing(request: Request) -> HTMLResponse:
    raise ValueError(await found(request))


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")
