// What Go writes for a text, form by form: a line of JSON each, the form in base64.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"html"
	"html/template"
	"mime"
	"mime/quotedprintable"
	"net/url"
	"os"
	"strconv"
	"strings"
)

type held struct {
	Text  string
	Bytes []byte
}

func written(write func(*bytes.Buffer)) string {
	var out bytes.Buffer
	write(&out)
	return out.String()
}

func main() {
	v := os.Getenv("V")
	forms := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%+q", "%#q", "%x", "%X", "% x", "%# x", "%#x"} {
		forms["string "+verb] = fmt.Sprintf(verb, v)
		forms["struct "+verb] = fmt.Sprintf(verb, held{v, []byte(v)})
		forms["map "+verb] = fmt.Sprintf(verb, map[string]string{"a": v})
	}
	for _, verb := range []string{"%v", "%d", "%o", "%#o", "%b", "%08b", "%c", "%U", "%#U", "%#v", "%x", "%# x"} {
		forms["bytes "+verb] = fmt.Sprintf(verb, []byte(v))
		forms["runes "+verb] = fmt.Sprintf(verb, []rune(v))
	}
	forms["split %q"] = fmt.Sprintf("%q", strings.Split(v, ""))
	once, _ := json.Marshal(held{v, []byte(v)})
	twice, _ := json.Marshal(string(once))
	again, _ := json.Marshal(map[string]any{"a": []byte(twice)})
	forms["json"], forms["json twice"], forms["json in base64 in json"] = string(once), string(twice), string(again)
	runes, _ := json.Marshal([]rune(v))
	forms["json of runes"] = string(runes)
	forms["Quote"], forms["Quote twice"] = strconv.Quote(v), strconv.Quote(strconv.QuoteToASCII(v))
	forms["base64"], forms["base64 of a pair"] = base64.StdEncoding.EncodeToString([]byte(v)), base64.RawURLEncoding.EncodeToString([]byte("x:"+v))
	dump, _ := json.Marshal(map[string]string{"d": hex.Dump([]byte(v))})
	forms["dump"], forms["dump in json"] = hex.Dump([]byte(v)), string(dump)
	forms["html"], forms["javascript"] = html.EscapeString(html.EscapeString(v)), template.JSEscapeString(v)
	forms["query"], forms["userinfo"] = url.QueryEscape(url.PathEscape(v)), url.UserPassword("u", v).String()
	document, _ := xml.Marshal(held{v, nil})
	forms["xml"] = string(document)
	forms["csv"] = written(func(out *bytes.Buffer) { w := csv.NewWriter(out); w.Write([]string{"id", v}); w.Flush() })
	forms["mail words"], forms["mail words, Q"] = mime.BEncoding.Encode("utf-8", v+"é"+v), mime.QEncoding.Encode("utf-8", v+"é")
	forms["quoted-printable"] = written(func(out *bytes.Buffer) { w := quotedprintable.NewWriter(out); w.Write([]byte(v + v + v)); w.Close() })
	forms["pem"] = string(pem.EncodeToMemory(&pem.Block{Type: "X", Bytes: []byte(v)}))
	page := template.Must(template.New("").Parse(`<script>var a={{.}}</script><a href="?q={{.}}" onclick="f({{.}})">{{.}}</a>`))
	forms["page"] = written(func(out *bytes.Buffer) { page.Execute(out, v) })
	style := template.Must(template.New("").Parse(`<style>a{x:"{{.}}"}</style>`))
	forms["style"] = written(func(out *bytes.Buffer) { style.Execute(out, v) })
	for name, form := range forms {
		line, _ := json.Marshal([]string{name, base64.StdEncoding.EncodeToString([]byte(form))})
		fmt.Println(string(line))
	}
}
