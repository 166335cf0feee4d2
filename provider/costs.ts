// The resource `host:index:Costs`: it touches no host, and keeps what a stack is made of, so that a preview can say in words what a change costs.
import type { Failure } from "./inputs.ts";
import { isEqual, isObject, isUnknown, open, type Properties, reveal, type Value } from "./plugin/values.ts";

/** By what it is called where a person reads it, such as kubernetesVersion. */
type Costs = Record<string, { value: string | Record<string, string>; changed?: string; gone?: string; looks?: string }>;
/** A value as texts by what each is called. */
const parts = (name: string, value: string | Record<string, string>) => (typeof value === "string" ? { [name]: value } : value);

const costsIn = (properties: Properties): Value => open(properties.costs ?? null);
/** Once checked. */
const known = (properties: Properties) => reveal(costsIn(properties)) as unknown as Costs | null;
export function checkCosts(news: Properties): { inputs: Properties; failures: Failure[] } {
	const failures: Failure[] = Object.keys(news)
		.filter((name) => name !== "costs")
		.map((property) => ({ property, reason: "is none of costs" }));
	const costs = costsIn(news);
	const isText = (text: Value) => typeof text === "string";
	const isRight = (cost: Value) => {
		if (!isObject(cost) || cost.value === undefined) return false;
		const { value, ...sentences } = cost;
		return [...(isObject(value) ? Object.values(value) : [value]), ...Object.values(sentences)].every(isText);
	};
	if (!isUnknown(costs) && !(isObject(costs) && Object.values(reveal(costs) as Properties).every(isRight)))
		failures.push({
			property: "costs",
			reason: "must be an object of objects, each with a value (a text, or texts by name), what is said where it is changed or gone, and `looks`",
		});
	return { inputs: news, failures };
}

/** One sentence for each kind of cost, with what makes it: an old value and a new one, or a name that is no longer there. */
export function costsOf(olds: Properties, news: Properties): string[] {
	const [before, after] = [known(olds), known(news)];
	const because = new Map<string, string[]>();
	const add = (sentence: string | undefined, reason: string) => sentence !== undefined && because.set(sentence, [...(because.get(sentence) ?? []), reason]);
	const old = Object.entries(before ?? {});
	for (const [name, { value }] of old) {
		const now = after?.[name];
		if (now === undefined) continue;
		const next = parts(name, now.value);
		for (const [part, text] of Object.entries(parts(name, value)))
			if (next[part] !== undefined && next[part] !== text) add(now.changed, `${part} ${text} -> ${next[part]}`);
	}
	for (const [name, { gone }] of old) if (after?.[name] === undefined) add(gone, name);
	return [...because].map(([sentence, reasons]) => `${reasons.join(", ")}: ${sentence}`);
}
/** Whether the hosts are to be looked at for what is changed, also where what only looks at them is as it was: a run that stopped half-way has done that alone. */
export function asksForALook(olds: Properties, news: Properties): boolean {
	const [before, after] = [known(olds), known(news)];
	return Object.entries(before ?? {}).some(([name, { value }]) => after?.[name]?.looks === "yes" && !isEqual(after[name].value, value));
}
export const hasOtherCosts = (olds: Properties, news: Properties): boolean => !isEqual(reveal(costsIn(olds)), reveal(costsIn(news)));
