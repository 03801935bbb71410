//! Authorisation in the handler's signature.
//!
//! The edge leaves an [`Authentication`] in the request; these extractors turn it into the right to go on.

use std::{borrow::Cow, future::Ready, marker::PhantomData};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::Method};
use warikan_types::{Client, ClientScope, Id, Principal, TenantScope};

use crate::{Code, Problem};

/// What the edge found out about a request's credentials.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// There were none.
    Missing,
    /// There were some, and they are not good; why, for the caller.
    Refused(Cow<'static, str>),
    /// The caller is known.
    Granted(Principal),
}

/// A scope as a type, so that a handler's signature can name it.
pub trait Needs: 'static {
    /// The scope.
    const SCOPE: ClientScope;
}

/// The scopes as types.
pub mod needs {
    use super::{ClientScope, Needs};

    /// `verifications`
    pub enum Verifications {}
    impl Needs for Verifications {
        const SCOPE: ClientScope = ClientScope::Verifications;
    }
    /// `subjects`
    pub enum Subjects {}
    impl Needs for Subjects {
        const SCOPE: ClientScope = ClientScope::Subjects;
    }
    /// `watches`
    pub enum Watches {}
    impl Needs for Watches {
        const SCOPE: ClientScope = ClientScope::Watches;
    }
    /// `campaigns`
    pub enum Campaigns {}
    impl Needs for Campaigns {
        const SCOPE: ClientScope = ClientScope::Campaigns;
    }
    /// `events`
    pub enum Events {}
    impl Needs for Events {
        const SCOPE: ClientScope = ClientScope::Events;
    }
    /// `webhooks`
    pub enum Webhooks {}
    impl Needs for Webhooks {
        const SCOPE: ClientScope = ClientScope::Webhooks;
    }
    /// `access`
    pub enum Access {}
    impl Needs for Access {
        const SCOPE: ClientScope = ClientScope::Access;
    }
    /// `billing`
    pub enum Billing {}
    impl Needs for Billing {
        const SCOPE: ClientScope = ClientScope::Billing;
    }
}

impl Authentication {
    /// The caller.
    ///
    /// # Errors
    /// 401, saying what to do.
    pub fn granted(&self) -> Result<&Principal, Problem> {
        match self {
            Self::Granted(principal) => Ok(principal),
            Self::Refused(why) => Err(Problem::new(Code::InvalidToken, why.clone())),
            Self::Missing => Err(Problem::new(
                Code::InvalidToken,
                "Get an access token from POST /oauth/token and send it as `Authorization: Bearer <token>`.",
            )),
        }
    }
}

fn principal(request: &HttpRequest) -> Result<Principal, Problem> {
    let extensions = request.extensions();
    let found = extensions.get::<Authentication>();
    found.unwrap_or(&Authentication::Missing).granted().cloned()
}

fn require(principal: &Principal, scope: ClientScope) -> Result<(), Problem> {
    if principal.scopes.contains(&scope) {
        return Ok(());
    }
    Err(Problem::new(
        Code::InsufficientScope,
        format!("This operation needs the scope `{}`.", scope.as_str()),
    )
    .needs_scope(scope))
}

/// A tenant's client whose token has the scope `N`.
pub struct TenantCaller<N> {
    /// The tenant and environment: the first argument of every store function.
    pub scope: TenantScope,
    /// The credential.
    pub client: Id<Client>,
    needs: PhantomData<fn() -> N>,
}

impl<N: Needs> FromRequest for TenantCaller<N> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        std::future::ready(principal(request).and_then(|principal| {
            require(&principal, N::SCOPE)?;
            let scope = principal.tenant.ok_or_else(|| {
                Problem::new(Code::InsufficientScope, "This operation is for tenants.")
                    .needs_scope(N::SCOPE)
            })?;
            Ok(Self {
                scope,
                client: principal.client,
                needs: PhantomData,
            })
        }))
    }
}

/// The platform operator: an account that may do everything, or, for what is only read, an auditor's.
pub struct OperatorCaller {
    /// The account.
    pub client: Id<Client>,
}

impl FromRequest for OperatorCaller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        std::future::ready(principal(request).and_then(|principal| {
            // What is read changes nothing: the method says it, so no handler can forget to.
            let reads = request.method() == Method::GET || request.method() == Method::HEAD;
            if !(reads && principal.scopes.contains(&ClientScope::OperatorRead)) {
                require(&principal, ClientScope::Operator)?;
            }
            if principal.tenant.is_some() {
                return Err(Problem::new(
                    Code::InsufficientScope,
                    "This operation is for the operator.",
                )
                .needs_scope(ClientScope::Operator));
            }
            Ok(Self {
                client: principal.client,
            })
        }))
    }
}
