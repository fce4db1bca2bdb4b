// Holds KEDA's resources, an array of JSON on stdin, against its schema, and what the schema leaves open against KEDA's documentation: fields
// that nobody reads, and the keys of each kind of trigger. check-keda.mjs NODE_MODULES
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const load = (kind) => import(pathToFileURL(`${process.argv[2]}/@kubernetes-models/keda/keda.sh/v1alpha1/${kind}.js`));
const { ScaledObject } = await load("ScaledObject");
const { TriggerAuthentication } = await load("TriggerAuthentication");
const MODELS = { ScaledObject, TriggerAuthentication };

// Of each trigger that we use: what must be told, what may be, and what comes from a TriggerAuthentication.
const TRIGGERS = {
  rabbitmq: { required: ["queueName", "mode", "value"], optional: ["protocol", "activationValue", "vhostName"], secret: ["host"] },
  postgresql: { required: ["query", "targetQueryValue"], optional: ["activationTargetQueryValue"], secret: ["connection"] },
};
const VALUES = { protocol: ["amqp", "http", "auto"], mode: ["QueueLength"] };
const FIELDS = {
  "": ["scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod", "fallback", "advanced", "triggers"],
  fallback: ["failureThreshold", "replicas", "behavior"],
  advanced: ["scalingModifiers", "horizontalPodAutoscalerConfig"],
  "advanced.scalingModifiers": ["formula", "target", "activationTarget", "metricType"],
};

const all = JSON.parse(readFileSync(0, "utf8")).filter((it) => it.apiVersion === "keda.sh/v1alpha1");
const secrets = new Map(all.filter((it) => it.kind === "TriggerAuthentication").map((it) => [it.metadata.name, it.spec.secretTargetRef.map((ref) => ref.parameter)]));
const complaints = [];

for (const resource of all) {
  const complain = (text) => complaints.push(`${resource.kind} ${resource.metadata.name}: ${text}`);
  const Model = MODELS[resource.kind];
  if (!Model) {
    complain("a kind that this check does not know");
    continue;
  }
  try {
    new Model(resource).validate();
  } catch (error) {
    complain(error.message);
  }
  if (resource.kind !== "ScaledObject") continue;

  for (const [path, known] of Object.entries(FIELDS)) {
    const part = path.split(".").filter(Boolean).reduce((it, key) => it?.[key], resource.spec) ?? {};
    for (const key of Object.keys(part)) if (!known.includes(key)) complain(`nobody reads ${path}${path && "."}${key}`);
  }
  const names = resource.spec.triggers.map((trigger) => trigger.name);
  if (new Set(names).size !== names.length) complain("two triggers of one name");
  const formula = resource.spec.advanced?.scalingModifiers?.formula ?? "";
  for (const word of formula.match(/[a-z_]+/gi) ?? []) if (!names.includes(word)) complain(`the formula names ${word}, which is no trigger`);
  for (const { type, name, metadata, authenticationRef } of resource.spec.triggers) {
    const keys = TRIGGERS[type];
    if (!keys) {
      complain(`${name}: a trigger of the type ${type}, whose keys this check does not know`);
      continue;
    }
    for (const key of keys.required) if (!(key in metadata)) complain(`${name}: ${key} is missing`);
    for (const [key, value] of Object.entries(metadata)) {
      if (![...keys.required, ...keys.optional].includes(key)) complain(`${name}: KEDA knows no ${key} of ${type}`);
      if (VALUES[key] && !VALUES[key].includes(value)) complain(`${name}: ${key} is ${value}`);
      if (/value/i.test(key) && !(Number(value) >= 0)) complain(`${name}: ${key} is no number`);
    }
    const given = secrets.get(authenticationRef?.name) ?? [];
    for (const key of keys.secret) if (!given.includes(key)) complain(`${name}: no ${key} comes from ${authenticationRef?.name}`);
  }
}

for (const complaint of complaints) console.error(complaint);
process.exit(complaints.length || all.length === 0 ? 1 : 0);
