import t from 'tap'
import { withCommandApart } from './lab.ts'

t.test('what `lab exec` runs keeps its own options', async t => {
  for (const [line, want] of [
    ['lab exec r1n1 ping -c 1 10.0.0.1', 'lab exec -- r1n1 ping -c 1 10.0.0.1'],
    ['lab exec --name mine r1n1 ip -br link', 'lab exec --name mine -- r1n1 ip -br link'],
    ['lab exec --name=mine r1n1 ls -l', 'lab exec --name=mine -- r1n1 ls -l'],
    ['-o json lab exec -- r1n1 ls -l', '-o json lab exec -- r1n1 ls -l'],
    ['lab exec', 'lab exec --'],
    ['lab up --wait exec.yaml', 'lab up --wait exec.yaml'],
    ['get nodes exec', 'get nodes exec'],
  ])
    t.equal(withCommandApart(line.split(' ')).join(' '), want)
})
