// IPv4 addresses and ranges: parse, contain, overlap, split. Pure.

export interface Range {
	/** First address as a number. */
	first: number;
	/** Last address as a number. */
	last: number;
	prefix: number;
}

/** The address as a number, or undefined where the text is no dotted IPv4 address. Leading zeros are refused: some readers take them as octal. */
export function parseAddress(text: string): number | undefined {
	if (!/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(text)) return undefined;
	const octets = text.split(".").map(Number);
	return octets.every((octet) => octet <= 255) ? octets.reduce((sum, octet) => sum * 256 + octet, 0) : undefined;
}

export const formatAddress = (address: number): string => [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");

/** The range, or undefined where the text is no CIDR or has bits set behind its prefix (10.244.1.0/16: which of the two is meant?). */
export function parseCidr(text: string): Range | undefined {
	const range = rangeAround(text);
	return range && text.startsWith(`${formatAddress(range.first)}/`) ? range : undefined;
}
/** The range that the address of a CIDR is in, also where bits are set behind its prefix. */
export function rangeAround(text: string): Range | undefined {
	const [address = "", prefixText = "", ...rest] = text.split("/");
	const inside = parseAddress(address);
	if (inside === undefined || rest.length > 0 || !/^([12]?\d|3[0-2])$/.test(prefixText)) return undefined;
	const prefix = Number(prefixText);
	const size = 2 ** (32 - prefix);
	const first = inside - (inside % size);
	return { first, last: first + size - 1, prefix };
}

export const formatCidr = (range: Range): string => `${formatAddress(range.first)}/${range.prefix}`;
export const contains = (range: Range, address: number): boolean => range.first <= address && address <= range.last;
export const overlap = (a: Range, b: Range): boolean => a.first <= b.last && b.first <= a.last;

/** Prefix of one Node's Pod range: 254 Pods, twice the kubelet's default limit of 110 (kube-controller-manager --node-cidr-mask-size-ipv4, default 24). */
export const NODE_PREFIX = 24;
/** How many Nodes a Pod range has room for. */
export const nodesIn = (podRange: Range): number => (podRange.prefix > NODE_PREFIX ? 0 : 2 ** (NODE_PREFIX - podRange.prefix));
