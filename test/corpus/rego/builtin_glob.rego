# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.glob

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"match", "no match", "double star", "quote"}

holds contains "match" if glob.match("*.example.com", ["."], "api.example.com")

holds contains "no match" if glob.match("*.example.com", ["."], "a.b.example.com") == false

holds contains "double star" if glob.match("**.example.com", ["."], "a.b.example.com")

holds contains "quote" if glob.quote_meta("*.a") == "\\*.a"
