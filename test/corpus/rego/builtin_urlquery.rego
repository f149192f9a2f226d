# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.urlquery

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"encode", "decode", "encode object", "decode object"}

holds contains "encode" if urlquery.encode("a b&c") == "a+b%26c"

holds contains "decode" if urlquery.decode("a+b%26c") == "a b&c"

holds contains "encode object" if urlquery.encode_object({"a": "1", "b": ["x", "y"]}) == "a=1&b=x&b=y"

holds contains "decode object" if urlquery.decode_object("a=1&b=x&b=y") == {"a": ["1"], "b": ["x", "y"]}
