import t from 'tap'
import { HandClock } from './fake-world.ts'
import { Undone } from './undone.ts'

t.test('three deeds of several kinds are no fight; three of one kind are, and only that waits', async t => {
  const clock = new HandClock()
  const undone = new Undone(clock)
  undone.seen('d', 'wish')
  for (const object of ['its MTU', 'its name', 'it', 'its MTU', 'its name']) {
    t.same(undone.found('d', 'wish', [object]), new Map(), object)
    undone.seen('d', 'wish')
  }
  t.same(undone.fights, [])
  t.same(undone.found('d', 'wish', ['its MTU', 'it']), new Map([['its MTU', 1_000]]))
  t.same(undone.fights, [{ device: 'd', object: 'its MTU', count: 3 }])
  undone.seen('d', 'wish', ['its MTU'])
  clock.advance(1_000)
  t.same(undone.found('d', 'wish', ['its MTU']), new Map(), 'what waited was not undone once more')
  t.match(undone.fights, [{ count: 3 }])
  undone.forget('d')
  t.same(undone.fights, [])
})

t.test('what was never seen as wanted, or is wanted otherwise, was not undone', async t => {
  const undone = new Undone(new HandClock())
  for (let i = 0; i < 5; i++) {
    undone.found('new', 'wish', ['it'])
    undone.seen('other', i)
    undone.found('other', i + 1, ['its MTU'])
  }
  t.same(undone.fights, [])
})
