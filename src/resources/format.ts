// Resources as people read them: YAML, or JSON.

import { stringify } from 'yaml'
import type { AnyResource } from './kinds/index.ts'

/** One or more objects; YAML documents are parted by `---`, JSON objects are put in a list if they are not exactly one. */
export function formatResources(resources: readonly AnyResource[], form: 'yaml' | 'json'): string {
  if (form === 'json') {
    const plain = resources.map(tidy)
    return `${JSON.stringify(plain.length === 1 ? plain[0] : plain, null, 2)}\n`
  }
  return resources.map(resource => stringify(tidy(resource), { lineWidth: 0 })).join('---\n')
}

export function formatResource(resource: AnyResource, form: 'yaml' | 'json'): string {
  return formatResources([resource], form)
}

/** Without empty labels and annotations, which say nothing. */
function tidy(resource: AnyResource): object {
  const { name, labels, annotations, resourceVersion } = resource.metadata
  const metadata = {
    name,
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(Object.keys(annotations).length > 0 && { annotations }),
    ...(resourceVersion !== undefined && { resourceVersion }),
  }
  return { apiVersion: resource.apiVersion, kind: resource.kind, metadata, spec: resource.spec }
}
