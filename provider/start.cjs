// Pulumi's runner for plugins loads ts-node for whatever it requires; an import goes past that, and Node strips the types itself.
module.exports = () => import("./main.ts");
