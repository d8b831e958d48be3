// Who decides, and how much: every engine of the process, while a test runs.

import type { Test } from 'tap'
import { Engine } from './engine.ts'

/** Calls back before any engine's `work`. */
export function onWork(t: Test, told: (engine: Engine, units: number) => void): void {
  const work = Reflect.get(Engine.prototype, 'work')
  t.teardown(() => (Engine.prototype.work = work))
  Engine.prototype.work = function (this: Engine, units: number): boolean {
    told(this, units)
    return work.call(this, units)
  }
}
