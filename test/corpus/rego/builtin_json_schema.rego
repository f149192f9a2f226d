# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.json_schema

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"verify", "match", "mismatch"}

holds contains "verify" if json.verify_schema({"type": "object"})[0] == true

holds contains "match" if json.match_schema({"a": 1}, {"properties": {"a": {"type": "integer"}}})[0] == true

holds contains "mismatch" if json.match_schema({"a": "x"}, {"properties": {"a": {"type": "integer"}}})[0] == false
