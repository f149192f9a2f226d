# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.objects

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"get", "get default", "get path", "keys", "filter", "remove", "subset", "not subset", "union", "union_n"}

holds contains "get" if object.get({"a": 1}, "a", 0) == 1

holds contains "get default" if object.get({"a": 1}, "b", 9) == 9

holds contains "get path" if object.get({"a": {"b": 2}}, ["a", "b"], 0) == 2

holds contains "keys" if object.keys({"a": 1, "b": 2}) == {"a", "b"}

holds contains "filter" if object.filter({"a": 1, "b": 2}, ["a"]) == {"a": 1}

holds contains "remove" if object.remove({"a": 1, "b": 2}, ["a"]) == {"b": 2}

holds contains "subset" if object.subset({"a": 1, "b": 2}, {"a": 1})

holds contains "not subset" if object.subset({"a": 1}, {"a": 2}) == false

holds contains "union" if object.union({"a": 1, "b": {"c": 1}}, {"b": {"d": 2}}) == {"a": 1, "b": {"c": 1, "d": 2}}

holds contains "union_n" if object.union_n([{"a": 1}, {"a": 2}, {"b": 3}]) == {"a": 2, "b": 3}
