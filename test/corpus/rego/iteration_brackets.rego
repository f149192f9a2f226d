# case: {"input": {"args": [{"name": "x"}, {"name": "to"}]}, "data": {"params": {}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"args": []}, "data": {"params": {"grid": [["a"], ["b", "diagonal"]]}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"args": []}, "data": {"params": {"grid": [["a", "diagonal"]]}}, "expect": {"kind": "undefined"}}
package corpus.ib
allow if input.args[_].name == "to"
allow if data.params.grid[i][i] == "diagonal"
