# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.json

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"marshal", "unmarshal", "valid", "invalid", "marshal options", "filter", "remove"}

holds contains "marshal" if json.marshal({"b": 1, "a": [true, null]}) == "{\"a\":[true,null],\"b\":1}"

holds contains "unmarshal" if json.unmarshal("{\"a\": [1, 2]}") == {"a": [1, 2]}

holds contains "valid" if json.is_valid("[1]")

holds contains "invalid" if json.is_valid("[1") == false

holds contains "marshal options" if json.marshal_with_options({"a": 1}, {"pretty": true, "indent": " "}) == "{\n \"a\": 1\n}"

holds contains "filter" if json.filter({"a": {"b": 1, "c": 2}, "d": 3}, ["a/b"]) == {"a": {"b": 1}}

holds contains "remove" if json.remove({"a": {"b": 1, "c": 2}}, ["a/b"]) == {"a": {"c": 2}}
