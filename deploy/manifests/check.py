"""Holds rendered manifests, on stdin, against Kubernetes' own schemas: check.py OLDEST NEWEST. Custom resources go to stdout, as JSON."""

import json
import sys

import yaml
from kubernetes_validate import SchemaNotFoundError, ValidationError, validate

# What no version of Kubernetes knows by itself. Of the last two there is no schema to be had: the tests read them.
CUSTOM = {"keda.sh/v1alpha1", "postgresql.cnpg.io/v1", "rabbitmq.com/v1beta1"}

documents = [document for document in yaml.safe_load_all(sys.stdin) if document]
custom = [document for document in documents if document["apiVersion"] in CUSTOM]
wrong = 0
for document in documents:
    if document["apiVersion"] in CUSTOM:
        continue
    for version in sys.argv[1:]:
        try:
            held_against = validate(document, version, strict=True)
            complaint = None if held_against == version else f"its schema is that of {held_against}"
        except SchemaNotFoundError as error:
            complaint = error.message
        except ValidationError as error:
            complaint = f"{'.'.join(str(step) for step in error.path)}: {error.message[:300]}"
        if complaint:
            wrong += 1
            print(f"{document['kind']} {document['metadata']['name']}, {version}: {complaint}", file=sys.stderr)
json.dump(custom, sys.stdout)
if not documents:
    sys.exit("nothing was rendered")
sys.exit(1 if wrong else 0)
