# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.yaml

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"marshal", "unmarshal", "valid", "invalid"}

holds contains "marshal" if yaml.unmarshal(yaml.marshal({"a": [1, 2]})) == {"a": [1, 2]}

holds contains "unmarshal" if yaml.unmarshal("a: 1\nb: [x, y]") == {"a": 1, "b": ["x", "y"]}

holds contains "valid" if yaml.is_valid("a: 1")

holds contains "invalid" if yaml.is_valid("a: [") == false
