//! Sees every answer to every caller of every journey: a method that is refused for what the contract does not promise fails the test
//! that called it, and so does a refusal without a reason.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use tonic::{
    Code, Status,
    body::Body,
    metadata::MetadataMap,
    transport::{Channel, Error},
};
use tonic_types::StatusExt as _;
use tower::Service;

use super::contract::CONTRACT;

/// Put on every answer: the method that gave it.
const ANSWERED_BY: &str = "x-answered-by";

/// A channel whose answers are held against the contract.
#[derive(Clone)]
pub struct Answers(pub Channel);

impl Service<Request<Body>> for Answers {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = request.uri().path().trim_start_matches("/media.v1.").to_owned();
        let answer = self.0.call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            see(&method, response.headers_mut());
            Ok(response.map(|body| {
                Body::new(body.map_frame(move |frame| match frame.into_trailers() {
                    Ok(mut trailers) => {
                        see(&method, &mut trailers);
                        Frame::trailers(trailers)
                    }
                    Err(frame) => frame,
                }))
            }))
        })
    }
}

fn see(method: &str, headers: &mut HeaderMap) {
    if let Some(status) = Status::from_header_map(headers).filter(|status| status.code() != Code::Ok) {
        let details = status.get_error_details();
        let info = details.error_info().unwrap_or_else(|| panic!("{method} was refused without a reason: {status:?}"));
        CONTRACT.assert_promised(method, status.code(), &info.reason);
    }
    headers.insert(ANSWERED_BY, HeaderValue::from_str(method).unwrap());
}

/// Which method an answer or a refusal came from.
pub fn answered_by(metadata: &MetadataMap) -> &str {
    let named = metadata.get(ANSWERED_BY).unwrap_or_else(|| panic!("this came from no method of the service: {metadata:?}"));
    named.to_str().unwrap()
}
