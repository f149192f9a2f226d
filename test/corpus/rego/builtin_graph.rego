# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.graph

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"reachable", "paths", "walk", "walk value"}

holds contains "reachable" if graph.reachable({"a": ["b"], "b": ["c"], "c": [], "d": []}, {"a"}) == {"a", "b", "c"}

holds contains "paths" if graph.reachable_paths({"a": ["b"], "b": ["c"], "c": []}, {"a"}) == {["a", "b", "c"]}

holds contains "walk" if count([p | walk({"a": {"b": 1}}, [p, _])]) == 3

holds contains "walk value" if [v | walk({"a": 1}, [["a"], v])] == [1]
