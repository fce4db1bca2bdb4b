# Makes the two buckets, as many tries as it takes the filer to tell the master where it is. `weed shell` ends with 0 whatever became of what it
# was told to do: so it is asked what is there.
for try in 1 2 3 4 5; do
  told=$(printf '%s\n' 's3.bucket.create -name media' 's3.bucket.create -name media-quarantine' s3.bucket.list | weed shell -master=store:9333)
  echo "try $try: $told"
  if echo "$told" | grep -q ' media[[:space:]]' && echo "$told" | grep -q ' media-quarantine[[:space:]]'; then exit 0; fi
  sleep 2
done
exit 1
