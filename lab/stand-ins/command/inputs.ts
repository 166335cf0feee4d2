// Which inputs `command:remote:Command` takes (schema of pulumi-command v1.2.1): their types, defaults and secrets.
import { asSecret, isObject, isSecret, open, type Properties, UNKNOWN, type Value } from "../../../provider/plugin/values.ts";

export interface Failure {
	property: string;
	reason: string;
}

type Type = "string" | "number" | "boolean" | "list" | "strings" | Shape;
interface Shape {
	name: string;
	fields: Record<string, Type>;
	required: string[];
	defaults: Properties;
	secrets: string[];
}

const ENDPOINT: Shape = {
	name: "remote.ProxyConnection",
	fields: {
		host: "string",
		port: "number",
		user: "string",
		password: "string",
		privateKey: "string",
		privateKeyPassword: "string",
		agentSocketPath: "string",
		hostKey: "string",
		dialErrorLimit: "number",
		perDialTimeout: "number",
	},
	required: ["host"],
	defaults: { port: 22, user: "root", dialErrorLimit: 10, perDialTimeout: 15 },
	secrets: ["password", "privateKey", "privateKeyPassword"],
};

const COMMAND: Shape = {
	name: "remote.CommandInputs",
	fields: {
		connection: { ...ENDPOINT, name: "remote.Connection", fields: { ...ENDPOINT.fields, proxy: ENDPOINT } },
		create: "string",
		update: "string",
		delete: "string",
		stdin: "string",
		logging: "string",
		triggers: "list",
		environment: "strings",
		addPreviousOutputInEnv: "boolean",
	},
	required: ["connection"],
	defaults: {},
	secrets: ["connection"],
};

/** Inputs with defaults filled in and secrets marked; or the inputs as they came, with what is wrong. A value is never part of a reason. */
export function checkCommand(news: Properties): { inputs: Properties; failures: Failure[] } {
	const failures: Failure[] = [];
	const inputs = checkObject(news, COMMAND, failures);
	return failures.length > 0 ? { inputs: news, failures } : { inputs, failures };
}

/** Those of a resource's outputs that are inputs. */
export function inputsOf(state: Properties): Properties {
	return Object.fromEntries(Object.entries(state).filter(([key]) => key in COMMAND.fields));
}

function checkObject(object: Properties, shape: Shape, failures: Failure[]): Properties {
	const checked: Properties = {};
	for (const [field, value] of Object.entries(object)) {
		const type = shape.fields[field];
		if (type === undefined) failures.push({ property: field, reason: `Unrecognized field '${field}' on '${shape.name}'` });
		else if (value !== null) checked[field] = checkValue(value, type, field, shape, failures);
	}
	for (const field of shape.required) {
		if (!(field in checked)) failures.push({ property: field, reason: `Missing required field '${field}' on '${shape.name}'` });
	}
	for (const [field, value] of Object.entries(shape.defaults)) checked[field] ??= value;
	for (const field of shape.secrets) {
		const value = checked[field];
		if (value !== undefined) checked[field] = asSecret(value);
	}
	return checked;
}

function checkValue(value: Value, type: Type, field: string, shape: Shape, failures: Failure[]): Value {
	const plain = open(value);
	// Of a secret object that is not known yet, the official plugin makes one with an empty host.
	if (plain === UNKNOWN) return isSecret(value) && typeof type === "object" ? asSecret(checkObject({ host: "" }, type, failures)) : value;
	if (typeof type === "object" && isObject(plain)) {
		const checked = checkObject(plain, type, failures);
		return isSecret(value) ? asSecret(checked) : checked;
	}
	if (!fits(plain, type)) {
		const expected = typeof type === "object" ? type.name : type;
		failures.push({ property: field, reason: `Field '${field}' on '${shape.name}' must be a '${expected}'; got '${nameOf(plain)}' instead` });
	}
	return value;
}

function fits(value: Value, type: Type): boolean {
	if (typeof type === "object") return false; // an object was taken apart before
	if (type === "list") return Array.isArray(value);
	if (type === "strings") return isObject(value) && Object.values(value).every((inner) => typeof open(inner) === "string");
	return typeof value === type;
}

function nameOf(value: Value): string {
	return Array.isArray(value) ? "list" : typeof value;
}
