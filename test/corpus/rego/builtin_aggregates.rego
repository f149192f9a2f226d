# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.aggregates

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"count array", "count code points", "count object", "count set", "sum", "product", "max", "min set", "sort", "max of types", "sum empty", "product empty"}

holds contains "count array" if count([1, 2, 3]) == 3

holds contains "count code points" if count("añ€") == 3

holds contains "count object" if count({"a": 1}) == 1

holds contains "count set" if count({1, 1, 2}) == 2

holds contains "sum" if sum([1, 2, 3.5]) == 6.5

holds contains "product" if product([2, 3, 4]) == 24

holds contains "max" if max([3, 9, 2]) == 9

holds contains "min set" if min({3, 9, 2}) == 2

holds contains "sort" if sort([3, 1, 2]) == [1, 2, 3]

holds contains "max of types" if max([1, "a", true]) == "a"

holds contains "sum empty" if sum([]) == 0

holds contains "product empty" if product([]) == 1
