# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.arrays

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"concat", "reverse", "slice", "slice beyond"}

holds contains "concat" if array.concat([1], [2, 3]) == [1, 2, 3]

holds contains "reverse" if array.reverse([1, 2, 3]) == [3, 2, 1]

holds contains "slice" if array.slice([1, 2, 3, 4], 1, 3) == [2, 3]

holds contains "slice beyond" if array.slice([1, 2], 1, 9) == [2]
