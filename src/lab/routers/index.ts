// The kinds of router that a lab file may name.

import { bird } from './bird.ts'
import { frr } from './frr.ts'
import type { RouterKind } from './router.ts'

export const routerKinds: Readonly<Record<RouterKind['kind'], RouterKind>> = { bird, frr }
export type { RouterKind } from './router.ts'
