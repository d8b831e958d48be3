// No encapsulation: the fabric, or a common subnet, carries pods' packets as they are.

import type { Encapsulation } from './encapsulation.ts'

export const none: Encapsulation = { kind: 'none', overhead: () => 0 }
