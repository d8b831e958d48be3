import t from 'tap'
import { perElement } from './memo.ts'

interface Thing {
  readonly name: string
  readonly label?: string
}

const things = (names: string): readonly Thing[] => names.split('').map(name => ({ name }))
const namesOf = (results: readonly { readonly name: string }[]): string => results.map(({ name }) => name).join('')

t.test('of a list each result is at its place, whatever came, went or changed before', t => {
  const letters = 'abcdefgh'
  let seed = 7
  const random = (below: number): number => (seed = (seed * 16807) % 2147483647) % below
  const each = perElement(({ name }: Thing) => ({ name }))
  let list = things(letters)
  const wrong: string[] = []
  for (let step = 0; step < 3_000; step++) {
    const at = random(list.length + 1)
    const changes = [
      () => list.toSpliced(at, 0, { name: letters[random(8)] }),
      () => list.toSpliced(at, 1 + random(2)),
      () => list.map((thing, i) => (i === at ? { name: letters[random(8)] } : thing)),
      () => list.toReversed(),
      () => [...list],
    ]
    list = changes[random(list.length > 12 ? 2 : changes.length)]()
    const [found, wanted] = [namesOf(each(list)), namesOf(list)]
    if (found !== wanted) wrong.push(`${found} is not ${wanted} at step ${step}`)
  }
  t.same(wrong, [])
  t.end()
})

t.test('what did not change is neither worked out again nor another object', t => {
  const worked: string[] = []
  const each = perElement(({ name }: Thing) => {
    worked.push(name)
    return { name }
  })
  const list = things('abcd')
  const first = each(list)
  const take = (): string => worked.splice(0).join('')
  t.equal(take(), 'abcd')
  t.equal(each([...list]), first, 'a copy of the list')
  t.equal(each(list.with(1, { name: 'b', label: 'of which nothing depends' })), first, 'an equal result')
  t.equal(take(), 'b')
  const more = each(list.toSpliced(2, 0, { name: 'x' }))
  t.equal(take(), 'x')
  t.equal(more[4], first[3], 'what stands behind a new one')
  const fewer = each(list.toSpliced(0, 1))
  t.equal(take(), '')
  t.equal(fewer[2], first[3], 'what stands behind one that went')
  t.end()
})
