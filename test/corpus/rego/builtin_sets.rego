# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.sets

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"intersection", "union", "and", "or", "minus"}

holds contains "intersection" if intersection({{1, 2}, {2, 3}}) == {2}

holds contains "union" if union({{1}, {2, 3}}) == {1, 2, 3}

holds contains "and" if ({1, 2} & {2, 3}) == {2}

holds contains "or" if ({1} | {2}) == {1, 2}

holds contains "minus" if ({1, 2} - {2}) == {1}
