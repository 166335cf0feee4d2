// The proxy through which hosts reach repositories and registries: read, checked, and what never goes through it. Pure.
import { contains, parseAddress, parseCidr } from "./network.ts";
import type { Report } from "./problems.ts";
import type { Values } from "./read.ts";
import type { ClusterSettings, HostSpec, ProxySettings } from "./settings.ts";

// A port, because curl and Go have different ones by default.
const URL_FORM = /^http:\/\/[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:(\d{1,5})\/?$/;
const NAME_FORM = /^\.?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/;

/** Undefined where the stack sets none, or where a problem was reported. */
export function readProxy({ proxy, top }: Values, hosts: HostSpec[], report: Report): ProxySettings | undefined {
	const { http, https, noProxy = [] } = proxy;
	for (const [name, url] of Object.entries({ http, https })) if (url !== undefined) checkUrl(`proxy.${name}`, url, report);
	for (const [i, entry] of noProxy.entries())
		if (!NAME_FORM.test(entry) && parseCidr(entry) === undefined)
			report(
				`proxy.noProxy[${i}]`,
				`${JSON.stringify(entry)} is not a name, domain, address or CIDR. Use one such as mirror.example, .example.com or 192.0.2.0/24.`,
			);
	if (http === undefined && https === undefined) {
		if (Object.keys(top.proxy ?? {}).length > 0)
			report("proxy", "has neither http nor https. Set one of them or both, such as http: http://proxy.example:3128, or remove it.");
		return undefined;
	}
	return {
		...(http === undefined ? {} : { http: http.replace(/\/$/, "") }),
		...(https === undefined ? {} : { https: https.replace(/\/$/, "") }),
		noProxy: [...new Set([...ownNames(top, hosts), ...noProxy])],
	};
}

/** Its text may hold a password: no part of a problem shows it. */
function checkUrl(path: string, url: string, report: Report): void {
	if (url.includes("@"))
		report(
			path,
			"holds a user's name or password, which everybody on the hosts could read there (in the .repo files, and systemctl show). Let the proxy know the hosts by their addresses, and write http://<host>:<port>.",
		);
	else if (!URL_FORM.test(url) || Number(URL_FORM.exec(url)?.[2]) > 65535 || url.includes(":0/"))
		report(
			path,
			`${JSON.stringify(url)} is not a proxy. Use http://<host>:<port>, such as http://proxy.example:3128; CentOS 7's curl and yum know no proxy behind https.`,
		);
}

/** What belongs to the cluster: it never goes through the proxy, whatever the stack says. */
function ownNames({ nodeNetwork, podCidr, serviceCidr }: Values["top"], hosts: HostSpec[]): string[] {
	const networks = [nodeNetwork, podCidr, serviceCidr].filter((network): network is string => network !== undefined && network !== "");
	const external = hosts.flatMap(({ externalAddress }) => externalAddress ?? []);
	return ["localhost", "127.0.0.1", ...networks, ".svc", ".cluster.local", ...hosts.map(({ name }) => name), ...external];
}

/** The proxy for a URL, `none` where it is left out, undefined where nothing is said of it. */
export function proxyFor(url: string, { proxy }: Pick<ClusterSettings, "proxy">): string | "none" | undefined {
	const scheme = /^(https?):\/\//.exec(url)?.[1] as "http" | "https" | undefined;
	if (!proxy || !scheme) return undefined;
	const host = /^https?:\/\/([^/:]+)/.exec(url)?.[1] ?? "";
	return proxy.noProxy.some((entry) => isLeftOut(host, entry)) ? "none" : proxy[scheme];
}
function isLeftOut(host: string, entry: string): boolean {
	const [range, address] = [parseCidr(entry), parseAddress(host)];
	if (range) return address !== undefined && contains(range, address);
	const [name, suffix] = [host.toLowerCase(), entry.toLowerCase().replace(/^\.?/, ".")];
	return `.${name}` === suffix || name.endsWith(suffix);
}

/** As systemd's Environment= takes it, a drop-in of a service: for containerd, or for Docker. Both understand CIDRs. */
export function proxyDropIn({ http, https, noProxy }: ProxySettings): string {
	const variables = [...(http ? [["HTTP_PROXY", http]] : []), ...(https ? [["HTTPS_PROXY", https]] : []), ["NO_PROXY", noProxy.join(",")]];
	return `[Service]\n${variables.map(([name, value]) => `Environment="${name}=${value}"\n`).join("")}`;
}
