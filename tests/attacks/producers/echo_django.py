"""Django and its REST framework as an upstream: each path echoes what came in another way. The argument is the port."""

from __future__ import annotations

import pprint
import sys
from typing import Any
from wsgiref.simple_server import make_server

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

settings.configure(
    DEBUG=True,
    SECRET_KEY="of a test",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["rest_framework"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    REST_FRAMEWORK={"UNAUTHENTICATED_USER": None, "DEFAULT_AUTHENTICATION_CLASSES": []},
)
django.setup()

from django.core.signing import dumps  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.template import Context, Engine  # noqa: E402
from django.urls import re_path  # noqa: E402
from rest_framework import renderers, serializers  # noqa: E402
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

FILTERS = (
    "addslashes", "escape", "force_escape", "escapejs", "urlencode", "iriencode", "linebreaks", "linebreaksbr",
    "linenumbers", "make_list", "pprint", "wordwrap:20", "center:99", "ljust:99", "stringformat:'r'", "urlize",
    "striptags", "unordered_list", "json_script:'it'", "default:''", "slice:':'", "make_list|join:'-'",
    "make_list|join:', '", "make_list|unordered_list", "make_list|json_script", "escapejs|escapejs",
    "urlencode:''|urlencode:''",
)  # fmt: skip


def found(request: HttpRequest) -> str:
    """Return the value, wherever it came."""
    for source in (request.GET, request.POST, request.headers):
        if value := source.get("x"):
            return str(value)
    return request.body.decode()


def template(request: HttpRequest, number: str) -> HttpResponse:
    page = Engine().from_string(f"<p>{{{{ value|{FILTERS[int(number)]} }}}}</p>")
    return HttpResponse(page.render(Context({"value": found(request)})))


def whole(request: HttpRequest) -> JsonResponse:
    return JsonResponse(
        {
            "headers": dict(request.headers), "meta": {k: v for k, v in request.META.items() if k.startswith("HTTP_")},
            "query": request.GET, "form": request.POST, "uri": request.build_absolute_uri(),
            "body": request.body.decode(), "bytes": repr(request.body), "list": list(request.body),
        },
        json_dumps_params={"indent": 2},
    )  # fmt: skip


def shown(request: HttpRequest) -> HttpResponse:
    parts = (request.GET, request.POST, request.headers, request.body, request, {"value": found(request)})
    return HttpResponse("\n".join(pprint.pformat(part, width=40) for part in parts), content_type="text/plain")


def signed(request: HttpRequest) -> HttpResponse:
    answer = HttpResponse(dumps({"value": found(request)}))
    answer.set_cookie("value", found(request))
    return answer


def failing(request: HttpRequest) -> HttpResponse:
    value = found(request)
    raise ValueError(f"{value!r} isn't allowed")


class Fields(serializers.Serializer):
    x = serializers.CharField(required=False)
    url = serializers.URLField(required=False)
    choice = serializers.ChoiceField(choices=["a"], required=False)


class Echo(APIView):
    parser_classes = (JSONParser, FormParser, MultiPartParser)
    renderer_classes = (renderers.JSONRenderer, renderers.BrowsableAPIRenderer)

    def post(self, request: Request) -> Response:
        value = request.data.get("x") or request.query_params.get("x") or request.headers.get("x")
        fields = Fields(data={"x": value, "choice": value} if "invalid" in request.path else {"x": value})
        fields.is_valid()
        return Response({**fields.validated_data, **fields.errors} if "invalid" in request.path else fields.data)


def _url(path: str, view: Any) -> Any:
    return re_path(f"^{path}$", view)


urlpatterns = [
    _url(r"template/(\d+)", template), _url("whole", whole), _url("shown", shown), _url("signed", signed),
    _url("failing", failing), _url("rest", Echo.as_view()), _url("rest/invalid", Echo.as_view()),
]  # fmt: skip

if __name__ == "__main__":
    make_server("127.0.0.1", int(sys.argv[1]), get_wsgi_application()).serve_forever()
