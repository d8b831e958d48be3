import t from 'tap'
import { asPath, type AsPathSegment } from '../wire/attributes.ts'
import { AsPathPattern } from './as-path-pattern.ts'

function compiled(text: string): AsPathPattern {
  const pattern = AsPathPattern.parse(text)
  if ('error' in pattern) throw new Error(pattern.error)
  return pattern
}

/** `65001 {1 2} 65002`. */
function path(text: string): Uint8Array {
  const segments: AsPathSegment[] = Array.from(text.matchAll(/\{([^}]*)\}|[\d ]+/g), match => ({
    type: match[1] === undefined ? 'sequence' : 'set',
    asns: (match[1] ?? match[0]).trim().split(/\s+/).filter(Boolean).map(Number),
  }))
  return asPath.encode(segments.filter(({ asns }) => asns.length > 0))
}

t.test('which paths a pattern means', async t => {
  for (const [text, means, not] of [
    ['65001', ['65001'], ['', '65002', '65001 65001', '1 65001']],
    ['', [''], ['65001']],
    ['.', ['1', '4294967295', '{1 2}'], ['', '1 2']],
    ['.*', ['', '1', '1 2 3'], []],
    ['65001 .*', ['65001', '65001 2 3'], ['2 65001', '']],
    ['.* 65001', ['65001', '1 2 65001'], ['65001 2']],
    ['.* 65001 .*', ['65001', '1 65001 2', '1 {7 65001} 2'], ['1 2', '165001']],
    ['64512..65534+', ['64512', '65534 64513'], ['', '64511', '64512 1']],
    ['(64512..65534 | 4200000000..4294967294)*', ['', '64512 4200000001'], ['64512 3356']],
    ['1 2 | 3', ['1 2', '3'], ['1', '2', '1 3', '1 2 3']],
    ['1 (2 | 3)? 4', ['1 4', '1 2 4', '1 3 4'], ['1 2 3 4', '1']],
    ['(1|2|3){2}', ['1 2', '3 3'], ['1', '1 2 3']],
    ['65001{1,3}', ['65001', '65001 65001 65001'], ['', '65001 65001 65001 65001']],
    ['65001{2,} .', ['65001 65001 9', '65001 65001 65001 9'], ['65001 9']],
    ['7{0}', [''], ['7']],
    ['(1*)* 2', ['2', '1 1 2'], ['1', '']],
    ['(.?){3} 5', ['5', '1 2 3 5'], ['1 2 3 4 5']],
  ] as const) {
    const pattern = compiled(text)
    for (const one of means) t.ok(pattern.matches(path(one), 0, path(one).length), `"${text}" means "${one}"`)
    for (const one of not) t.notOk(pattern.matches(path(one), 0, path(one).length), `"${text}" does not mean "${one}"`)
  }
})

t.test('a long path and a nasty pattern take no longer than they have to', async t => {
  const long = path(Array.from({ length: 900 }, () => 1).join(' '))
  t.notOk(compiled('(1*)* (1 | 1 1)* (1?){50} 2').matches(long, 0, long.length))
  t.ok(compiled('.* 1 (. .)* 1').matches(long, 0, long.length))
})

t.test('what is no pattern says where', async t => {
  for (const [text, error] of [
    ['65001 x', /"x" at character 7/],
    ['(1 2', /ends too early/],
    ['1 )', /"\)" at character 3/],
    ['*', /"\*" at character 1/],
    ['5..3', /5\.\.3 ends before/],
    ['4294967296', /"4294967296"/],
    ['1{3,2}', /ends before/],
    ['1{', /too early/],
    ['1..', /too early/],
    ['((1{100}){100}){100}', /more than 1000 steps/],
    ['('.repeat(60), /nested/],
  ] as const) {
    const pattern = AsPathPattern.parse(text)
    t.match('error' in pattern ? pattern.error : 'none', error, text)
  }
})
